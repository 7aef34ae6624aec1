//===- LlmShardAttrs.td - ranks, and what of a checkpoint tensor each of them holds --------------===//
#ifndef VINCI_IR_LLM_LLMSHARDATTRS_TD
#define VINCI_IR_LLM_LLMSHARDATTRS_TD

include "ir/llm/LlmBase.td"

class Llm_ShardingAttr<string name, string attrMnemonic> : AttrDef<Llm_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Llm_AxisListParameter : ArrayRefParameter<"int64_t"> {
  let parser = "::vinci::llm::parseIntList($_parser)";
  let printer = "::vinci::llm::printIntList($_printer, $_self)";
}

def Llm_OptionalAxisListParameter : OptionalArrayRefParameter<"int64_t"> {
  let parser = "::vinci::llm::parseIntList($_parser)";
  let printer = "::vinci::llm::printIntList($_printer, $_self)";
}

def Llm_MeshAttr : Llm_ShardingAttr<"Mesh", "mesh"> {
  let summary = "The ranks that a partitioned model runs on.";
  let description = [{
    Carried by the module as `llm.mesh`; a module without it is for one device. The ranks form a grid of elementary axes,
    outermost first: with `axes = [8, 4]`, rank = i0 * 4 + i1. A way to divide the work - attention's tensor parallelism, data
    parallelism, expert parallelism - is a set of axes, and its groups are the ranks that differ along these axes only. All
    ranks run one program; types in it are those of what one rank holds.

    Along the axes in `data` ranks have sequences, and so tokens, of their own: the rows of a step are sharded over them.
    Ranks that differ along the others only are a *group*: they have the same step. (8 groups of 4 ranks:)

    ```mlir
    module attributes {llm.mesh = #llm.mesh<axes = [8, 4], data = [0]>} {}
    ```
  }];
  let parameters = (ins Llm_AxisListParameter:$axes, Llm_OptionalAxisListParameter:$data);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Ranks in all.
    int64_t getRanks() const;
    /// Ranks of a group: the product of these axes.
    int64_t getSize(::llvm::ArrayRef<int64_t> axes) const;
    /// The axes along which ranks have the same step: those that are not in `data`.
    ::llvm::SmallVector<int64_t, 2> getGroupAxes() const;
    /// Which of its group's ranks `rank` is: its place along these axes, row-major.
    int64_t getIndex(::llvm::ArrayRef<int64_t> axes, int64_t rank) const;
  }];
}

def Llm_ShardAttr : Llm_ShardingAttr<"Shard", "shard"> {
  let summary = "Which part of a checkpoint tensor a rank holds.";
  let description = [{
    The rows, the columns, or the tensors of a stack are cut into `parts` equal parts; of s that do not divide each part has
    ceil(s / parts), and what the last ones lack is zero. With n ranks along `axes` and i this rank's place, it holds part
    i / (n / parts): fewer parts than ranks means that neighbours hold the same. `first_only` has one part: all of the
    tensor on the first rank, zeros on the others, for what a sum over ranks must count once.

    ```mlir
    #llm.shard<rows, 4, [1]>
    ```
  }];
  let parameters = (ins EnumParameter<Llm_ShardKind>:$kind, "int64_t":$parts, Llm_AxisListParameter:$axes);
  let assemblyFormat = "`<` $kind `,` $parts `,` $axes `>`";
  let genVerifyDecl = 1;
}

def Llm_PieceAttr : Llm_ShardingAttr<"Piece", "piece"> {
  let summary = "A checkpoint tensor, or a part of it, as a part of a weight.";
  let description = [{
    `source` names the tensor (`llm.weight` says how), `shape` is that of the whole tensor in the checkpoint, absent if it is
    that of the weight itself, and `shards` say which part of it a rank holds. In the form of `llm.weight`:

    ```mlir
    "model.layers.{layer}.self_attn.k_proj.weight" [512, 4096] rows 4 over [0]
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$source, OptionalArrayRefParameter<"int64_t">:$shape,
                       OptionalArrayRefParameter<"::vinci::llm::ShardAttr">:$shards);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif
