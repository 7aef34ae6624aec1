//===- NpuBase.td - the npu dialect, its enums and attributes ----------------------------------===//
#ifndef VINCI_IR_NPU_NPUBASE_TD
#define VINCI_IR_NPU_NPUBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Npu_Dialect : Dialect {
  let name = "npu";
  let cppNamespace = "::vinci::npu";
  let summary = "The device program: buffers, kernel launches, and what a runtime calls.";
  let description = [{
    The `npu` dialect mirrors the plan (`runtime/plan/plan.fbs`) table by table, so that writing the plan is a walk over
    it. Everything is a symbol of one `npu.program`: buffers of the activation arena, weights, constants, bodies (lists of
    `npu.launch`) and entries (lists of `npu.call`).

    Passes fill it in: `lower-to-npu` creates it, `insert-prefetches` adds what is fetched ahead, `schedule-commands` says
    what each command waits for, `assign-streams` and `insert-events` how streams share the work, and `plan-memory` gives
    every buffer its place in the arena. Shapes keep their symbolic dimensions (`#llm.dims`); the
    module keeps `llm.model` and `llm.limits`.

    Locations are those of the `llm` ops, which are those of the model's config.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::vinci::llm::LlmDialect"];
  let extraClassDeclaration = [{
  private:
    void registerAttributes();
  }];
}

class Npu_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::vinci::npu";
  let genSpecializedAttr = 0;
}

/// Values match `Space`, `BindingKind`, `Packing` and `Stream` of plan.fbs.
def Npu_Space : Npu_Enum<"Space", "where an operand of a launch lives", [
  I32EnumAttrCase<"Arena", 0, "arena">, I32EnumAttrCase<"Input", 1, "input">, I32EnumAttrCase<"Output", 2, "output">,
  I32EnumAttrCase<"Constant", 3, "constant">, I32EnumAttrCase<"Parameter", 4, "parameter">]>;
def Npu_BindingKind : Npu_Enum<"BindingKind", "what a parameter of a body stands for", [
  I32EnumAttrCase<"Weight", 0, "weight">, I32EnumAttrCase<"KvCache", 1, "kv_cache">, I32EnumAttrCase<"Nothing", 2, "nothing">]>;
def Npu_Packing : Npu_Enum<"Packing", "how a weight lies in memory", [
  I32EnumAttrCase<"Rows", 0, "rows">, I32EnumAttrCase<"Panel32", 1, "panel32">,
  I32EnumAttrCase<"Panel12", 2, "panel12">]>;

def Npu_Stream : Npu_Enum<"Stream", "the queue of a device that a command stands in", [
  I32EnumAttrCase<"Compute", 0, "compute">, I32EnumAttrCase<"Cube", 1, "cube">, I32EnumAttrCase<"Vector", 2, "vector">,
  I32EnumAttrCase<"Communication", 3, "communication">, I32EnumAttrCase<"Prefetch", 4, "prefetch">]>;

class Npu_Attr<string name, string attrMnemonic> : AttrDef<Npu_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Npu_OperandAttr : Npu_Attr<"Operand", "operand"> {
  let summary = "One operand of a launch.";
  let description = [{
    | space | name of |
    |---|---|
    | `arena` | an `npu.buffer` |
    | `input`, `output` | a step input or output of the entry |
    | `constant` | an `npu.constant` |
    | `parameter` | a parameter of the body, bound by the call |

    ```mlir
    #npu.operand<arena @hidden>
    ```
  }];
  let parameters = (ins EnumParameter<Npu_Space>:$space, "::mlir::FlatSymbolRefAttr":$name);
  let assemblyFormat = "`<` $space $name `>`";
}

def Npu_ParameterAttr : Npu_Attr<"Parameter", "parameter"> {
  let summary = "A parameter of a body: a weight or the KV cache of a layer.";
  let description = [{
    ```mlir
    #npu.parameter<weight @q_proj>
    ```
  }];
  let parameters = (ins EnumParameter<Npu_BindingKind>:$kind, "::mlir::FlatSymbolRefAttr":$name);
  let assemblyFormat = "`<` $kind $name `>`";
}

def Npu_BindingAttr : Npu_Attr<"Binding", "binding"> {
  let summary = "What a parameter stands for in one call.";
  let description = [{
    A weight of the program, or the KV cache of a layer. A weight that prefetches alone name may be bound to nothing: then
    there is nothing to fetch.

    ```mlir
    #npu.binding<weight @layers.3.q_proj>
    #npu.binding<kv_cache 3>
    #npu.binding<nothing>
    ```
  }];
  let parameters = (ins EnumParameter<Npu_BindingKind>:$kind, "::mlir::FlatSymbolRefAttr":$weight, "int64_t":$layer);
  let hasCustomAssemblyFormat = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    AttrBuilderWithInferredContext<(ins "::mlir::FlatSymbolRefAttr":$weight), [{
      return $_get(weight.getContext(), BindingKind::Weight, weight, 0);
    }]>,
    AttrBuilder<(ins "int64_t":$layer), [{
      return $_get($_ctxt, BindingKind::KvCache, ::mlir::FlatSymbolRefAttr(), layer);
    }]>,
    AttrBuilder<(ins), [{
      return $_get($_ctxt, BindingKind::Nothing, ::mlir::FlatSymbolRefAttr(), 0);
    }]>
  ];
}

#endif
