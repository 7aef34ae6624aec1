//===- NpuOps.td - the ops of the device program ------------------------------------------------===//
#ifndef VINCI_IR_NPU_NPUOPS_TD
#define VINCI_IR_NPU_NPUOPS_TD

include "ir/npu/NpuBase.td"
include "ir/npu/NpuInterfaces.td"
include "ir/llm/LlmAttrs.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

class Npu_Op<string mnemonic, list<Trait> traits = []> : Op<Npu_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

class Npu_AttrList<Attr element, string what>
    : TypedArrayAttrBase<element, what # "s">;
def Npu_OperandList : Npu_AttrList<Npu_OperandAttr, "operand">;
def Npu_ParameterList : Npu_AttrList<Npu_ParameterAttr, "parameter">;
def Npu_PieceList : Npu_AttrList<Llm_PieceAttr, "piece">;
def Npu_BindingList : Npu_AttrList<Npu_BindingAttr, "binding">;

def Npu_ProgramOp : Npu_Op<"program", [
    SymbolTable, IsolatedFromAbove, SingleBlock, NoTerminator, HasParent<"::mlir::ModuleOp">]> {
  let summary = "Everything a device runs.";
  let description = [{
    `arena` is the size of the activation arena in bytes, at the limits; `plan-memory` fills it in. Plan: `Plan`.

    ```mlir
    npu.program arena 196608 {
      npu.kv_cache layers 2 : !llm.kv_cache<2x16xbf16>
      ...
    }
    ```
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$arena_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`arena` custom<PlainInt>($arena_bytes)^)? attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins), [{ $_state.addRegion()->emplaceBlock(); }]>];
}

class Npu_MemberOp<string mnemonic, list<Trait> traits = []>
    : Npu_Op<mnemonic, traits # [HasParent<"ProgramOp">]>;

def Npu_KvCacheOp : Npu_MemberOp<"kv_cache"> {
  let summary = "The geometry of the paged KV cache.";
  let description = [{
    `layers` caches of one layer each, all alike; blocks and their size are in `llm.limits`. At most one. Plan: `KvCache`.

    ```mlir
    npu.kv_cache layers 2 : !llm.kv_cache<2x16xbf16>
    ```
  }];
  let arguments = (ins I64Attr:$layers, TypeAttrOf<Llm_KvCacheType>:$type);
  let assemblyFormat = "`layers` custom<PlainInt>($layers) attr-dict `:` $type";
}

def Npu_ConstantOp : Npu_MemberOp<"constant", [Symbol]> {
  let summary = "A small table that is known at compile time.";
  let description = [{
    Plan: `Constant`, and its bytes in a segment.

    ```mlir
    npu.constant @inv_freq dense<[1.0, 0.1]> : tensor<2xf32>
    npu.constant @first_expert per_rank dense<[[0], [8]]> : tensor<2x1xi32>
    ```
    With `per_rank` the first dimension is the ranks of the mesh, and each sees its own table.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value, UnitAttr:$per_rank);
  let assemblyFormat = "$sym_name (`per_rank` $per_rank^)? $value attr-dict";
}

def Npu_WeightOp : Npu_MemberOp<"weight", [Symbol]> {
  let summary = "A weight as the kernels want it: its tensor in the checkpoint and its packing.";
  let description = [{
    Pieces, equal tensors, stack and type are those of `llm.weight`, with the layer filled in. Packings are explained in `backend/kernels/README.md`. Plan: `Weight`.

    ```mlir
    npu.weight @layers.0.q_proj from "model.layers.0.self_attn.q_proj.weight" packing panel12 : tensor<64x64xbf16>
    npu.weight @layers.1.gate_proj from "model.layers.1.mlp.experts.{}.gate_proj.weight" stack 8 packing panel12
        : tensor<8x32x64xbf16>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Npu_PieceList:$pieces, OptionalAttr<I64Attr>:$stack,
                       OptionalAttr<StrArrayAttr>:$equal,
                       EnumAttr<Npu_Dialect, Npu_Packing, "packing">:$packing, TypeAttrOf<AnyStaticShapeTensor>:$type);
  let assemblyFormat = [{
    $sym_name `from` custom<Pieces>($pieces) (`equal` $equal^)? (`stack` custom<PlainInt>($stack)^)? `packing` `` $packing attr-dict `:` $type
  }];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
    auto getPieceList() { return getPieces().getAsRange<::vinci::llm::PieceAttr>(); }
    /// The shape of one matrix of a stack, or of all.
    ::llvm::ArrayRef<int64_t> getMatrixShape() {
      return getTensorType().getShape().drop_front(getStack() ? 1 : 0);
    }
  }];
}

def Npu_BufferOp : Npu_MemberOp<"buffer", [Symbol]> {
  let summary = "A tensor in the activation arena.";
  let description = [{
    `at` is its offset in bytes, a multiple of 64; `plan-memory` fills it in. Its size is that of the type at the limits.
    A buffer that a single body writes before it reads it lives in that body only; every other one keeps its contents from
    call to call. Plan: `Buffer`.

    ```mlir
    npu.buffer @hidden at 0 : tensor<?x64xbf16, #tokens>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<I64Attr>:$offset, TypeAttrOf<AnyRankedTensor>:$type);
  let assemblyFormat = "$sym_name (`at` custom<PlainInt>($offset)^)? attr-dict `:` $type";
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

def Npu_BodyOp : Npu_MemberOp<"body", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "A sequence of commands that is called: prologue, one per distinct layer, epilogues.";
  let description = [{
    Holds the commands, `npu.launch` and `npu.prefetch`, and the events between their streams, `npu.record` and `npu.wait`.
    The parameters are what differs between calls: the weights, and the KV cache of the layer. A call has finished when all
    its launches have; the next one starts then. Plan: `Body`.

    ```mlir
    npu.body @decoder_layer(weight @q_proj, kv_cache @kv_cache) {
      npu.launch "matmul" writes(arena @q) reads(arena @x, parameter @q_proj) {n = 64, k = 64}
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Npu_ParameterList:$parameters);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `` custom<Parameters>($parameters) attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::llvm::ArrayRef<::mlir::Attribute>":$parameters), [{
    $_state.addAttribute("sym_name", $_builder.getStringAttr(name));
    $_state.addAttribute("parameters", $_builder.getArrayAttr(parameters));
    $_state.addRegion()->emplaceBlock();
  }]>];
  let extraClassDeclaration = [{
    ::mlir::Block &getBlock() { return getBody().front(); }
    /// Launches and prefetches; their ordinals are what waits name.
    auto getCommands() { return getBlock().getOps<CommandOpInterface>(); }
    /// The parameter of this name, or null.
    ParameterAttr findParameter(::llvm::StringRef name);
  }];
}

class Npu_CommandOp<string mnemonic> : Npu_Op<mnemonic, [
    HasParent<"BodyOp">, Npu_CommandOpInterface, DeclareOpInterfaceMethods<SymbolUserOpInterface>]>;

def Npu_StreamAttr : EnumAttr<Npu_Dialect, Npu_Stream, "stream">;

def Npu_LaunchOp : Npu_CommandOp<"launch"> {
  let summary = "One command: run a kernel.";
  let description = [{
    Outputs, then inputs, are the kernel's buffers in the order of the kernel catalogue. `constants` specialise the kernel:
    integers, floats and strings (an element type is its name, `"bfloat16"`). `waits` are the ordinals, within the body, of
    the commands that must have finished; it is absent until `schedule-commands`. Commands of a stream run one after another.
    Everything is on the stream `compute`, unless `assign-streams` gives products and attention to `cube`, collectives to
    `communication` and the rest to `vector`. Plan: `Command` and `Kernel`.

    With `over` the command is a collective of its name among the ranks that differ along these axes of the mesh alone:
    `all_reduce`, `all_gather` or `reduce_scatter`, with the receiving and the sending buffer, and `count` elements for each
    of `rows`: of what a rank sends, or, of `reduce_scatter`, receives. If these are `token_shares`, then `whole` says that
    all of them together are `tokens`. `matmul_all_reduce` has the operands and the constants of `matmul`, and then sums
    what it has written.

    ```mlir
    npu.launch "matmul" writes(arena @q) reads(arena @x, parameter @q_proj) {bias = 0, dtype = "bfloat16", k = 64, n = 64}
        waits [0] stream compute
    npu.launch "all_reduce" writes(arena @o) reads(arena @o) {count = 256, dtype = "bfloat16", rows = "tokens"} over [0]
        waits [4] stream compute
    ```
  }];
  let arguments = (ins StrAttr:$kernel, Npu_OperandList:$outputs, Npu_OperandList:$inputs, DictionaryAttr:$constants,
                       OptionalAttr<DenseI64ArrayAttr>:$axes, OptionalAttr<DenseI32ArrayAttr>:$waits,
                       OptionalAttr<Npu_StreamAttr>:$stream);
  let assemblyFormat = [{
    $kernel `writes` `` custom<Operands>($outputs) `reads` `` custom<Operands>($inputs) custom<Constants>($constants)
    (`over` $axes^)? (`waits` $waits^)? (`stream` `` $stream^)? attr-dict
  }];
}

def Npu_PrefetchOp : Npu_CommandOp<"prefetch"> {
  let summary = "One command: bring a weight into L2 before it is read.";
  let description = [{
    Reads a `share` of the weight, in steps of `from` tokens or more, while other streams leave the memory alone. It is a hint:
    it changes no value, nobody waits for it, and what has not come when the weight is needed comes then. The parameter is one
    that a launch of the body reads, or one that is there for the prefetch alone and is bound to a weight of the following call.
    Plan: `Command`, and a `Kernel` with `Prefetch`.

    ```mlir
    npu.prefetch @gate_up_proj share 0.7 from 96 waits [3] stream prefetch
    npu.prefetch @next.qkv_proj share 1.0 waits [9] stream prefetch
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight, F64Attr:$share, OptionalAttr<I64Attr>:$min_tokens,
                       OptionalAttr<DenseI32ArrayAttr>:$waits, OptionalAttr<Npu_StreamAttr>:$stream);
  let assemblyFormat = [{
    $weight `share` custom<PlainFloat>($share) (`from` custom<PlainInt>($min_tokens)^)? (`waits` $waits^)?
    (`stream` `` $stream^)? attr-dict
  }];
}

class Npu_EventOp<string mnemonic> : Npu_Op<mnemonic, [HasParent<"BodyOp">]> {
  let arguments = (ins I64Attr:$event, Npu_StreamAttr:$stream);
  let assemblyFormat = "custom<PlainInt>($event) `stream` `` $stream attr-dict";
}

def Npu_RecordOp : Npu_EventOp<"record"> {
  let summary = "Record an event on a stream.";
  let description = [{
    The event has happened when everything that the body has put on the stream so far has finished. Events of a body are
    numbered from 0 in the order in which they are recorded. Plan: `Event`.

    ```mlir
    npu.launch "matmul" writes(arena @up) reads(arena @x, parameter @up_proj) {...} waits [] stream cube
    npu.record 0 stream cube
    ```
  }];
}

def Npu_WaitOp : Npu_EventOp<"wait"> {
  let summary = "Let a stream wait for an event of another.";
  let description = [{
    What the body puts on the stream from here on starts after the event. Plan: `Event`.

    ```mlir
    npu.wait 0 stream vector
    npu.launch "swiglu" writes(arena @h) reads(arena @gate, arena @up) {...} waits [0] stream vector
    ```
  }];
}

def Npu_EntryOp : Npu_MemberOp<"entry", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "What the runtime asks for by name: `prefill`, `decode` or `score`.";
  let description = [{
    Holds `npu.call` only, which run one after another. The names and types are those of the step inputs and outputs, see
    `llm.entry`. Plan: `Entry`.

    ```mlir
    npu.entry @decode(token_ids: tensor<?xi32, #tokens>, ...) -> (logits: tensor<?x512xf32, #tokens>) {
      npu.call @prologue (weight @embed_tokens)
      ...
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, StrArrayAttr:$arg_names,
                       StrArrayAttr:$res_names);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `` custom<StepTensors>($arg_names, $res_names, $function_type) attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type, "::mlir::ArrayAttr":$argNames,
                                 "::mlir::ArrayAttr":$resNames), [{
    $_state.addAttribute("sym_name", $_builder.getStringAttr(name));
    $_state.addAttribute("function_type", ::mlir::TypeAttr::get(type));
    $_state.addAttribute("arg_names", argNames);
    $_state.addAttribute("res_names", resNames);
    $_state.addRegion()->emplaceBlock();
  }]>];
  let extraClassDeclaration = [{
    ::mlir::Block &getBlock() { return getBody().front(); }
  }];
}

def Npu_CallOp : Npu_Op<"call", [HasParent<"EntryOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Run a body with these weights and this KV cache.";
  let description = [{
    One binding per parameter of the body, of the same kind; nothing, for a weight that prefetches alone name. Plan: `Call`.

    ```mlir
    npu.call @decoder_layer layer 3 (weight @layers.3.q_proj, kv_cache 3)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, OptionalAttr<I64Attr>:$layer, Npu_BindingList:$bindings);
  let assemblyFormat = "$callee (`layer` custom<PlainInt>($layer)^)? custom<Bindings>($bindings) attr-dict";
}

#endif
