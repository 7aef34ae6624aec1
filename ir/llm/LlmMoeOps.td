//===- LlmMoeOps.td - mixture of experts --------------------------------------------------------===//
#ifndef VINCI_IR_LLM_LLMMOEOPS_TD
#define VINCI_IR_LLM_LLMMOEOPS_TD

include "ir/llm/LlmDenseOps.td"

def Llm_MoeRouteOp : Llm_ComputeOp<"moe_route", [Pure], "(t,e!)->(t,k!),(t,k!)"> {
  let summary = "Chooses the experts of each token.";
  let description = [{
    `p[t, :] = softmax(logits[t, :])` over all experts in float32; `experts[t, :]` are the top_k largest, in falling order,
    the lowest index first among equals; `weights[t, j] = p[t, experts[t, j]]`, divided by their sum over j if
    `normalize` is there (`norm_topk_prob`).

    ```mlir
    %weights, %experts = llm.moe_route %router_logits top_k 2 normalize
        : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    ```
    Sharding rule: `(t,e!)->(t,k!),(t,k!)`; e is never sharded.
    Cost: about 22·t·e FLOPs; 4·t·e + 8·t·k bytes.
  }];
  let arguments = (ins Llm_F32Tensor<[2], "[tokens, num_experts]">:$logits, I64Attr:$top_k, UnitAttr:$normalize);
  let results = (outs Llm_F32Tensor<[2], "[tokens, top_k]">:$weights, Llm_IntTensor<[2], "[tokens, top_k]">:$experts);
  let assemblyFormat = [{
    $logits `top_k` custom<PlainInt>($top_k) (`normalize` $normalize^)? attr-dict `:` type($logits) `->` type($weights) `,` type($experts)
  }];
}

def Llm_MoeSortOp : Llm_ComputeOp<"moe_sort", [Pure], "(t!,k!),()->(r),(p!),(o!)"> {
  let summary = "Sorts the (token, choice) pairs by expert.";
  let description = [{
    A stable counting sort of the pairs `p = t * top_k + j` by `experts[t, j]`. `row_of[r]` is the pair in sorted row r,
    `position_of[p]` the inverse, and expert e owns rows `expert_offsets[e]` to `expert_offsets[e + 1]`. With `first`, a rank
    has the `num_experts` experts from `first[0]` on: e counts from there, the pairs of other experts are left out, and their
    `position_of` is -1.

    ```mlir
    %row_of, %position_of, %expert_offsets = llm.moe_sort %experts num_experts 8
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<9xi32>
    ```
    Sharding rule: `(t!,k!),()->(r),(p!),(o!)`; under expert parallelism it sorts by the experts of its rank, from `first` on, and
    r is sharded as the experts are.
    Cost: 0 FLOPs; 4·(3·t·k + e + 1) bytes.
  }];
  let arguments = (ins Llm_IntTensor<[2], "[tokens, top_k]">:$experts, I64Attr:$num_experts,
                       Optional<Llm_IntTensor<[1], "[1]">>:$first);
  let results = (outs Llm_IntTensor<[1], "[tokens*top_k]">:$row_of, Llm_IntTensor<[1], "[tokens*top_k]">:$position_of,
                      Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets);
  let assemblyFormat = [{
    $experts `num_experts` custom<PlainInt>($num_experts) (`first` $first^ `:` type($first))? attr-dict `:` type($experts) `->`
    type($row_of) `,` type($position_of) `,` type($expert_offsets)
  }];
}

def Llm_GroupedMatmulOp : Llm_ComputeOp<"grouped_matmul", [Pure]> {
  let summary = "Each sorted row times the weight of its expert.";
  let description = [{
    For the rows r of expert e: `result[r, j] = sum_k(x'[r, k] * weight[e, j, k])`, where `x'[r] = x[row_of[r] / top_k]`
    if `gather` is there (x has a row per token) and `x'[r] = x[r]` if not (x has a row per pair, already sorted).

    ```mlir
    %0 = llm.grouped_matmul %x, %gate_proj rows %row_of offsets %expert_offsets gather
        : (tensor<?x256xbf16, #tokens>, tensor<8x128x256xbf16>, tensor<?xi32, #x2_tokens>, tensor<9xi32>)
        -> tensor<?x128xbf16, #x2_tokens>
    ```
    Sharding rule: `(r,k),(r,j,k),(r),(o!)->(r,j)`, with `gather` `(t!,k),(r,j,k),(r),(o!)->(r,j)`; k sharded: a partial sum;
    experts sharded: a rank has the rows of its own experts only, and `moe_combine` makes a partial sum of them.
    Cost: 2·r·j·k FLOPs; (r·k + r·j)·D + a·j·k·D + 4·r bytes, a being the experts that have rows (at most min(r, e)).
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, k] or [tokens*top_k, k]">:$input,
                       Llm_FloatTensor<[3], "[num_experts, n, k]">:$weight,
                       Llm_IntTensor<[1], "[tokens*top_k]">:$row_of,
                       Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets, UnitAttr:$gather);
  let results = (outs Llm_FloatTensor<[2], "[tokens*top_k, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight `rows` $row_of `offsets` $expert_offsets (`gather` $gather^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::llvm::StringRef getShardingRule() {
      return getGather() ? "(t!,k),(r,j,k),(r),(o!)->(r,j)" : "(r,k),(r,j,k),(r),(o!)->(r,j)";
    }
  }];
}

def Llm_MoeCombineOp : Llm_ComputeOp<"moe_combine", [Pure], "~(r,n),(p!),(t,k!)->(t,n)"> {
  let summary = "The weighted sum of what the experts of a token said.";
  let description = [{
    `result[t, :] = sum_j(weights[t, j] * y[position_of[t * top_k + j], :])`, summed in float32 over falling `weights`
    (the order of `moe_route`), rounded once; pairs whose `position_of` is -1 are left out.

    ```mlir
    %0 = llm.moe_combine %y, %position_of, %weights
        : (tensor<?x256xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `~(r,n),(p!),(t,k!)->(t,n)`; r sharded, as experts are: the result is a partial sum.
    Cost: 2·t·k·n FLOPs; (t·k·n + t·n)·D + 8·t·k bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens*top_k, n]">:$input, Llm_IntTensor<[1], "[tokens*top_k]">:$position_of,
                       Llm_F32Tensor<[2], "[tokens, top_k]">:$weights);
  let results = (outs Llm_FloatTensor<[2], "[tokens, n]">:$result);
  let assemblyFormat = "$input `,` $position_of `,` $weights attr-dict `:` functional-type(operands, results)";
}

#endif
