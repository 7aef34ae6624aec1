//===- LlmStructureOps.td - bodies, entries, calls, and what a body declares ------------------===//
#ifndef VINCI_IR_LLM_LLMSTRUCTUREOPS_TD
#define VINCI_IR_LLM_LLMSTRUCTUREOPS_TD

include "ir/llm/LlmBase.td"
include "ir/llm/LlmAttrs.td"
include "ir/llm/LlmInterfaces.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Llm_Op<string mnemonic, list<Trait> traits = []> : Op<Llm_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

def Llm_BodyOp : Llm_Op<"body", [
    Symbol, IsolatedFromAbove, SingleBlock, HasParent<"::mlir::ModuleOp">,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "The computation of one distinct layer, of the prologue, or of an epilogue.";
  let description = [{
    A function from activations to activations that declares its weights (`llm.weight`), its KV cache (`llm.kv_cache`)
    and its constants (`llm.constant`) inside. A body that names a layer's resources - a weight with `{layer}` in its
    source, or the KV cache - is *layered*: every call must say for which layer.

    The names of the arguments are part of the op: they become the names of buffers.

    ```mlir
    llm.body @mlp(%hidden: tensor<?x64xbf16, #tokens>) -> tensor<?x64xbf16, #tokens> {
      %up_proj = llm.weight @up_proj from "model.layers.{layer}.mlp.up_proj.weight" : tensor<64x64xbf16>
      %0 = llm.matmul %hidden, %up_proj : (tensor<?x64xbf16, #tokens>, tensor<64x64xbf16>) -> tensor<?x64xbf16, #tokens>
      llm.return %0 : tensor<?x64xbf16, #tokens>
    }
    ```
    Sharding rule: none of its own; arguments and results carry the sharding of the values. Cost: that of its ops.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, StrArrayAttr:$arg_names);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type,
                                 "::llvm::ArrayRef<::llvm::StringRef>":$argNames), [{
    // The entry block is there, with its arguments; the caller fills it up to the llm.return.
    buildCallable($_builder, $_state, name, type, argNames);
  }]>];
  let extraClassDeclaration = [{
    static void buildCallable(::mlir::OpBuilder &builder, ::mlir::OperationState &state, ::llvm::StringRef name,
                              ::mlir::FunctionType type, ::llvm::ArrayRef<::llvm::StringRef> argNames);
    ::mlir::Block &getBlock() { return getBody().front(); }
    /// True if some resource belongs to a layer, so that calls must name one.
    bool isLayered();
  }];
}

def Llm_EntryOp : Llm_Op<"entry", [
    Symbol, IsolatedFromAbove, SingleBlock, HasParent<"::mlir::ModuleOp">,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let summary = "What the runtime asks for by name: `prefill`, `decode` or `score`.";
  let description = [{
    One step of the model: calls of bodies from the step inputs to the logits. It holds `llm.call` and `llm.return` only
    and calls each layer exactly once. The arguments are the seven step inputs, in this order (all i32):

    | argument | shape | meaning |
    |---|---|---|
    | `token_ids` | `[tokens]` | the tokens of all sequences, one after another |
    | `positions` | `[tokens]` | position of each token in its sequence |
    | `slot_mapping` | `[tokens]` | where to write its key and value: block * block_size + offset, -1 for nowhere |
    | `query_start` | `[max_batch + 1]` | tokens of sequence s are `query_start[s]` to `query_start[s + 1]` |
    | `context_lens` | `[sequences]` | tokens of a sequence in the cache, this step's included |
    | `block_tables` | `[sequences, max_blocks]` | the cache blocks of a sequence, max_blocks = ceil(max_seq_len / block_size) |
    | `logit_indices` | `[logit_rows]` | the tokens whose logits are wanted (only `prefill` reads it) |

    The result is `logits`, f32 `[logit_rows or tokens, vocab_size]`.

    ```mlir
    llm.entry @decode(%token_ids: tensor<?xi32, #tokens>, %positions: tensor<?xi32, #tokens>,
                      %slot_mapping: tensor<?xi32, #tokens>, %query_start: tensor<9xi32>,
                      %context_lens: tensor<?xi32, #sequences>, %block_tables: tensor<?x16xi32, #sequences>,
                      %logit_indices: tensor<?xi32, #logit_rows>) -> (logits: tensor<?x4096xf32, #tokens>) {
      %0:2 = llm.call @prologue(%token_ids, %positions)
          : (tensor<?xi32, #tokens>, tensor<?xi32, #tokens>) -> (tensor<?x256xbf16, #tokens>, tensor<?x64xf32, #tokens>)
      ...
    }
    ```
    Sharding rule: none of its own. Cost: the sum over its calls.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, StrArrayAttr:$arg_names,
                       StrArrayAttr:$res_names);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type,
                                 "::llvm::ArrayRef<::llvm::StringRef>":$argNames,
                                 "::llvm::ArrayRef<::llvm::StringRef>":$resNames)>];
  let extraClassDeclaration = [{
    ::mlir::Block &getBlock() { return getBody().front(); }
  }];
}

def Llm_CallOp : Llm_Op<"call", [DeclareOpInterfaceMethods<SymbolUserOpInterface>, HasParent<"EntryOp">]> {
  let summary = "Run a body, for a layer.";
  let description = [{
    Binds the body's weights and KV cache to those of `layer`. A body without a layer's resources is called without one.

    ```mlir
    %1 = llm.call @decoder_layer layer 3 (%0#0, %0#1) : (tensor<?x256xbf16, #tokens>, tensor<?x64xf32, #tokens>)
        -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: that of the body. Cost: that of the body.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, OptionalAttr<I64Attr>:$layer, Variadic<Llm_AnyTensor>:$inputs);
  let results = (outs Variadic<Llm_AnyTensor>:$outputs);
  let assemblyFormat = [{
    $callee (`layer` custom<PlainInt>($layer)^ ` `)? `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)
  }];
}

def Llm_ReturnOp : Llm_Op<"return", [Terminator, Pure, ParentOneOf<["BodyOp", "EntryOp"]>]> {
  let summary = "The results of a body or of an entry.";
  let description = [{
    ```mlir
    llm.return %hidden : tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: no partial sum may be returned. Cost: none.
  }];
  let arguments = (ins Variadic<Llm_AnyTensor>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
}

def Llm_PieceList : TypedArrayAttrBase<Llm_PieceAttr, "pieces">;

def Llm_WeightOp : Llm_Op<"weight", [
    Pure, HasParent<"BodyOp">, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "Declares a weight of the body: its name, its type, and its tensors in the checkpoint.";
  let description = [{
    The IR never holds weight data. The type is the one that is computed with: a checkpoint may have any float in place of
    another, and must have exactly the integers. A weight comes from one checkpoint tensor, or is made of the rows of several
    pieces (`#llm.piece`), one after another; a piece may be what one rank holds of a tensor. In a source, `{layer}` stands
    for the layer of the call. `stack N` makes one weight of N such matrices: `{}` in the source stands for 0 to N-1, and the
    result's first dimension is N; if the experts are sharded, `{}` begins with this rank's first. `equal` names tensors that
    must hold the same as the one that is read: the checkpoint is held to it when weights are packed.

    ```mlir
    %q_proj = llm.weight @q_proj from "model.layers.{layer}.self_attn.q_proj.weight" : tensor<512x256xbf16>
    %gate_proj = llm.weight @gate_proj from "model.layers.{layer}.mlp.experts.{}.gate_proj.weight" stack 16
        : tensor<16x768x256xbf16>
    %qkv_proj = llm.weight @qkv_proj from "model.layers.{layer}.self_attn.q_proj.weight" [512, 256] rows 4 over [0],
        "model.layers.{layer}.self_attn.k_proj.weight" [256, 256] rows 4 over [0],
        "model.layers.{layer}.self_attn.v_proj.weight" [256, 256] rows 4 over [0] : tensor<256x256xbf16>
    %input_scale = llm.weight @gate_proj.input_scale from "model.layers.{layer}.mlp.gate_proj.input_scale"
        equal ["model.layers.{layer}.mlp.up_proj.input_scale"] : tensor<1xf32>
    ```
    Sharding rule: whatever its users ask for; a sharded weight is a slice per rank. Cost: none; users pay for its bytes.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Llm_PieceList:$pieces, OptionalAttr<I64Attr>:$stack,
                       OptionalAttr<StrArrayAttr>:$equal);
  let results = (outs Llm_ElementsTensor<[1, 2, 3], "[n], [n, k] or [stack, n, k]">:$result);
  let assemblyFormat = [{
    $sym_name `from` custom<Pieces>($pieces) (`equal` $equal^)? (`stack` custom<PlainInt>($stack)^)? attr-dict `:` type($result)
  }];
  let extraClassDeclaration = [{
    auto getPieceList() { return getPieces().getAsRange<::vinci::llm::PieceAttr>(); }
    /// True if a source names a layer's tensor.
    bool isLayered();
  }];
}

def Llm_ConstantOp : Llm_Op<"constant", [
    Pure, HasParent<"BodyOp">, AllTypesMatch<["value", "result"]>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "A small table that is known at compile time.";
  let description = [{
    ```mlir
    %inv_freq = llm.constant @inv_freq dense<[1.0, 0.1]> : tensor<2xf32>
    ```
    Sharding rule: replicated. Cost: none; users pay for its bytes.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value);
  let results = (outs Llm_TensorOf<[F32, I32], [1, 2], "static tensor of f32 or i32 of rank 1 or 2">:$result);
  let assemblyFormat = "$sym_name $value attr-dict";
}

def Llm_KvCacheOp : Llm_Op<"kv_cache", [
    Pure, HasParent<"BodyOp">, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "The KV cache of the layer that the body is called for, as the last step left it.";
  let description = [{
    At most one per body.

    ```mlir
    %kv_cache = llm.kv_cache : !llm.kv_cache<2x64xbf16>
    ```
    Sharding rule: `()->(kv_heads)`. Cost: none.
  }];
  let results = (outs Llm_KvCacheType:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

#endif
