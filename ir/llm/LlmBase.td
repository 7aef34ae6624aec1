//===- LlmBase.td - the llm dialect and what its operands may be -----------------------------===//
#ifndef VINCI_IR_LLM_LLMBASE_TD
#define VINCI_IR_LLM_LLMBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Llm_Dialect : Dialect {
  let name = "llm";
  let cppNamespace = "::vinci::llm";
  let summary = "What a large language model computes, on tensors.";
  let description = [{
    The `llm` dialect says *what* is computed and nothing of how: values are tensors, weights are names, and the
    dimensions of a step (tokens, sequences, rows of logits) are symbols in the tensor type:
    `tensor<?x256xbf16, #llm.dims<["tokens"]>>`.

    Layers are folded. A module holds one `llm.body` per *distinct* layer (plus a prologue and the epilogues), which
    declares the weights it needs inside; an `llm.entry` is a list of `llm.call`s to bodies, and the call says for which
    layer. One more layer is one more call in each entry, whatever the layer's size.

    The ops are unfused and close to the papers: one op, one formula. Wherever an op's page gives costs, D is the size of
    an element in bytes, and every dimension stands for its value in the step at hand. A *sharding rule* names how the
    dimensions of an op factor, `(i,k),(j,k)->(i,j)`: a factor that only inputs have is summed over, so sharding it
    leaves a partial sum; sharding any other factor shards the result.

    The module carries `llm.model` (`#llm.model`), what the model is, `llm.limits` (`#llm.limits`), how large a step may
    become, and `llm.precision` (`#llm.precision`), in which element type each region computes. `llm.target` names the NPU that
    it is compiled for (without it, the machine at hand, which can do everything), `llm.graphs` which steps are captured as
    graphs, `{mode = "full-decode-only", sizes = array<i64: 1, 2, 4>}` (without it, none), `llm.prefetch` which shares of
    weights are fetched into L2 ahead, `{gate_up = 0.7, o = 1.0, qkv = 1.0}` (without it, nothing), and `llm.phase` the last
    phase of compiling that it went through, `import` if there is none. *In f32* an op rounds where it stores and where its formula says `round`. *In T*, f16 or bf16, every constant is a T and the result of every operation
    is rounded to one (to nearest, ties to even; from halfway beyond the largest, to infinity), written `r(..)`; sums are
    f32 and rounded once. Matrix products, `add`, `mul`, `silu` and `weighted_sum` are f32 inside and round once.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let extraClassDeclaration = [{
    /// Names of the attributes that a module carries.
    static constexpr llvm::StringLiteral modelAttrName = "llm.model";
    static constexpr llvm::StringLiteral limitsAttrName = "llm.limits";
    static constexpr llvm::StringLiteral precisionAttrName = "llm.precision";
    static constexpr llvm::StringLiteral meshAttrName = "llm.mesh";
    static constexpr llvm::StringLiteral targetAttrName = "llm.target";
    static constexpr llvm::StringLiteral phaseAttrName = "llm.phase";

  private:
    void registerAttributesAndTypes();
  }];
}

/// Ranked, every dynamic dimension named by #llm.dims, and of a size that can be computed with (Dims.h).
class Llm_TensorOf<list<Type> elements, list<int> ranks, string what>
    : Type<And<[TensorOf<elements>.predicate, IsRankedTensorTypePred, HasAnyRankOfPred<ranks>,
                CPred<"::vinci::llm::hasNamedDims($_self)">]>,
           what # ", every dynamic dimension named by #llm.dims", "::mlir::RankedTensorType">;

class Llm_FloatTensor<list<int> ranks, string shape>
    : Llm_TensorOf<[F32, BF16, F16], ranks, "tensor of f32, bf16 or f16 of shape " # shape>;
class Llm_F32Tensor<list<int> ranks, string shape>
    : Llm_TensorOf<[F32], ranks, "tensor of f32 of shape " # shape>;
class Llm_IntTensor<list<int> ranks, string shape>
    : Llm_TensorOf<[I32], ranks, "tensor of i32 of shape " # shape>;

class Llm_ElementsTensor<list<int> ranks, string shape>
    : Llm_TensorOf<[F32, BF16, F16, I8, I32], ranks, "tensor of f32, bf16, f16, i8 or i32 of shape " # shape>;

def Llm_AnyTensor : Llm_TensorOf<[F32, BF16, F16, I32], [1, 2, 3, 4], "tensor of f32, bf16, f16 or i32 of rank 1 to 4">;

def Llm_ShardKind : I32EnumAttr<"ShardKind", "what of a tensor a rank holds", [
    I32EnumAttrCase<"Rows", 0, "rows">, I32EnumAttrCase<"Columns", 1, "columns">,
    I32EnumAttrCase<"Stack", 2, "experts">, I32EnumAttrCase<"FirstOnly", 3, "first_only">]> {
  let cppNamespace = "::vinci::llm";
  let genSpecializedAttr = 0;
}

#endif
