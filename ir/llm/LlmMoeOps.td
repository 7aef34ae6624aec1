//===- LlmMoeOps.td - mixture of experts --------------------------------------------------------===//
#ifndef VINCI_IR_LLM_LLMMOEOPS_TD
#define VINCI_IR_LLM_LLMMOEOPS_TD

include "ir/llm/LlmDenseOps.td"

/// What pairs of a token and a choice are sorted by: experts, of which a rank has `num_experts` from `first` on.
class Llm_SortingOp<string mnemonic, string rule> : Llm_ComputeOp<mnemonic, [Pure], rule> {
  let arguments = (ins Llm_IntTensor<[2], "[tokens, top_k]">:$experts, I64Attr:$num_experts,
                       Optional<Llm_IntTensor<[1], "[1]">>:$first);
  string operandsFormat = "$experts `num_experts` custom<PlainInt>($num_experts) (`first` $first^ `:` type($first))? attr-dict";
}

//===- As the papers have it ------------------------------------------------------------------===//

def Llm_SoftmaxOp : Llm_ComputeOp<"softmax", [Pure, AllTypesMatch<["input", "result"]>], "(t,e!)->(t,e!)"> {
  let summary = "Logits as probabilities.";
  let description = [{
    `result[t, e] = exp(x[t, e] - m) / sum_i(exp(x[t, i] - m))` in float32, m being the largest of row t.

    ```mlir
    %probabilities = llm.softmax %router_logits : tensor<?x8xf32, #tokens>
    ```
    Sharding rule: `(t,e!)->(t,e!)`; e is never sharded.
    Cost: about 22·t·e FLOPs; 8·t·e bytes.
  }];
  let arguments = (ins Llm_F32Tensor<[2], "[rows, n]">:$input);
  let results = (outs Llm_F32Tensor<[2], "[rows, n]">:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Llm_TopKOp : Llm_ComputeOp<"top_k", [Pure], "(t,e!)->(t,k!),(t,k!)"> {
  let summary = "The largest elements of each row, and where they are.";
  let description = [{
    `indices[t, :]` are those of the k largest of `x[t, :]`, in falling order, the lowest index first among equals;
    `values[t, j] = x[t, indices[t, j]]`.

    ```mlir
    %values, %indices = llm.top_k %probabilities k 2
        : tensor<?x8xf32, #tokens> -> tensor<?x2xf32, #tokens>, tensor<?x2xi32, #tokens>
    ```
    Sharding rule: `(t,e!)->(t,k!),(t,k!)`; e is never sharded.
    Cost: about t·e FLOPs; 4·t·e + 8·t·k bytes.
  }];
  let arguments = (ins Llm_F32Tensor<[2], "[rows, n]">:$input, I64Attr:$k);
  let results = (outs Llm_F32Tensor<[2], "[rows, k]">:$values, Llm_IntTensor<[2], "[rows, k]">:$indices);
  let assemblyFormat = [{
    $input `k` custom<PlainInt>($k) attr-dict `:` type($input) `->` type($values) `,` type($indices)
  }];
}

def Llm_NormalizeRowsOp : Llm_ComputeOp<"normalize_rows", [Pure, AllTypesMatch<["input", "result"]>], "(t,k!)->(t,k!)"> {
  let summary = "Rows divided by their sums.";
  let description = [{
    `result[t, j] = x[t, j] / sum_i(x[t, i])` in float32, the sum in the order of i: the weights of the chosen experts where a
    model has `norm_topk_prob`.

    ```mlir
    %weights = llm.normalize_rows %values : tensor<?x2xf32, #tokens>
    ```
    Sharding rule: `(t,k!)->(t,k!)`; k is never sharded.
    Cost: 2·t·k FLOPs; 8·t·k bytes.
  }];
  let arguments = (ins Llm_F32Tensor<[2], "[rows, n]">:$input);
  let results = (outs Llm_F32Tensor<[2], "[rows, n]">:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Llm_ArgsortOp : Llm_SortingOp<"argsort", "(t!,k!),()->(r)"> {
  let summary = "The (token, choice) pairs in the order of their experts.";
  let description = [{
    `result` lists the pairs `p = t * top_k + j` by `experts[t, j]`, those of one expert by p: a stable sort. With `first`, a rank
    has the `num_experts` experts from `first[0]` on; the pairs of others are left out, and as many -1 end the list.

    ```mlir
    %row_of = llm.argsort %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<?xi32, #llm.dims<["tokens*2"]>>
    ```
    Sharding rule: `(t!,k!),()->(r)`; under expert parallelism a rank lists the pairs of its experts, from `first` on, and r is
    sharded as the experts are.
    Cost: 0 FLOPs; 12·t·k bytes.
  }];
  let results = (outs Llm_IntTensor<[1], "[tokens*top_k]">:$result);
  let assemblyFormat = operandsFormat # " `:` type($experts) `->` type($result)";
}

def Llm_InversePermutationOp
    : Llm_ComputeOp<"inverse_permutation", [Pure, AllTypesMatch<["input", "result"]>], "(r)->(r)"> {
  let summary = "Where each number stands in a list.";
  let description = [{
    `result[x[r]] = r`; -1 for what is not in x. Any -1 in x is passed over.

    ```mlir
    %position_of = llm.inverse_permutation %row_of : tensor<?xi32, #x2_tokens>
    ```
    Sharding rule: `(r)->(r)`; r sharded, as experts are: a rank has the places of its own pairs.
    Cost: 0 FLOPs; 12·r bytes.
  }];
  let arguments = (ins Llm_IntTensor<[1], "[rows]">:$input);
  let results = (outs Llm_IntTensor<[1], "[rows]">:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Llm_ExpertOffsetsOp : Llm_SortingOp<"expert_offsets", "(t!,k!),()->(o!)"> {
  let summary = "Where the rows of each expert begin, once pairs are sorted.";
  let description = [{
    `result[e]` is the number of pairs with an expert below e, counted from `first[0]` if it is there: a bincount and its
    cumulative sum. Expert e owns rows `result[e]` to `result[e + 1]`.

    ```mlir
    %offsets = llm.expert_offsets %experts num_experts 8 : tensor<?x2xi32, #tokens> -> tensor<9xi32>
    ```
    Sharding rule: `(t!,k!),()->(o!)`; under expert parallelism a rank counts the pairs of its experts, from `first` on.
    Cost: 0 FLOPs; 4·(t·k + e + 1) bytes.
  }];
  let results = (outs Llm_IntTensor<[1], "[num_experts + 1]">:$result);
  let assemblyFormat = operandsFormat # " `:` type($experts) `->` type($result)";
}

def Llm_PermuteTokensOp : Llm_ComputeOp<"permute_tokens", [Pure], "(t!,n),(r)->(r,n)"> {
  let summary = "The token of each sorted pair.";
  let description = [{
    `result[r, :] = x[row_of[r] / top_k, :]`, top_k being the rows of `row_of` for each of x; zeros where `row_of[r]` is -1.

    ```mlir
    %rows = llm.permute_tokens %x by %row_of
        : (tensor<?x256xbf16, #tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x256xbf16, #x2_tokens>
    ```
    Sharding rule: `(t!,n),(r)->(r,n)`; r sharded, as experts are: a rank has the rows of its own experts only.
    Cost: 0 FLOPs; 2·r·n·D + 4·r bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, n]">:$input, Llm_IntTensor<[1], "[tokens*top_k]">:$row_of);
  let results = (outs Llm_FloatTensor<[2], "[tokens*top_k, n]">:$result);
  let assemblyFormat = "$input `by` $row_of attr-dict `:` functional-type(operands, results)";
}

def Llm_UnpermuteTokensOp : Llm_ComputeOp<"unpermute_tokens", [Pure], "~(r,n),(r)->(p!,n)"> {
  let summary = "Sorted rows back in the order of tokens and choices.";
  let description = [{
    `result[p, :] = y[position_of[p], :]`; zeros where `position_of[p]` is -1.

    ```mlir
    %choices = llm.unpermute_tokens %y by %position_of
        : (tensor<?x256xbf16, #x2_tokens>, tensor<?xi32, #x2_tokens>) -> tensor<?x256xbf16, #x2_tokens>
    ```
    Sharding rule: `~(r,n),(r)->(p!,n)`; r sharded, as experts are: the result is a partial sum, as a rank has zeros for the pairs
    of others.
    Cost: 0 FLOPs; 2·r·n·D + 4·r bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens*top_k, n]">:$input, Llm_IntTensor<[1], "[tokens*top_k]">:$position_of);
  let results = (outs Llm_FloatTensor<[2], "[tokens*top_k, n]">:$result);
  let assemblyFormat = "$input `by` $position_of attr-dict `:` functional-type(operands, results)";
}

def Llm_WeightedSumOp : Llm_ComputeOp<"weighted_sum", [Pure], "~(t,n),(t,k!)->(t,n)"> {
  let summary = "The sum over the choices of each token, each with its weight.";
  let description = [{
    `result[t, :] = sum_j(weights[t, j] * x[t * top_k + j, :])`, summed in float32 in the order of j, rounded once.

    ```mlir
    %0 = llm.weighted_sum %choices, %weights
        : (tensor<?x256xbf16, #x2_tokens>, tensor<?x2xf32, #tokens>) -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `~(t,n),(t,k!)->(t,n)`; x may be a partial sum, then so is the result.
    Cost: 2·t·k·n FLOPs; (t·k·n + t·n)·D + 4·t·k bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens*top_k, n]">:$input, Llm_F32Tensor<[2], "[tokens, top_k]">:$weights);
  let results = (outs Llm_FloatTensor<[2], "[tokens, n]">:$result);
  let assemblyFormat = "$input `,` $weights attr-dict `:` functional-type(operands, results)";
}

//===- Products by expert ---------------------------------------------------------------------===//

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
    experts sharded: a rank has the rows of its own experts only, and `unpermute_tokens` makes a partial sum of them.
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

//===- What fusions make ----------------------------------------------------------------------===//

def Llm_MoeRouteOp : Llm_ComputeOp<"moe_route", [Pure]> {
  let summary = "Chooses the experts of each token.";
  let description = [{
    `softmax` over all experts in float32, then the indices and values of `top_k`, the values divided by their sum as in
    `normalize_rows` if `normalize` is there (`norm_topk_prob`): the same bits as by these ops.

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

def Llm_MoeSortOp : Llm_SortingOp<"moe_sort", ""> {
  let summary = "Sorts the (token, choice) pairs by expert.";
  let description = [{
    `row_of` is `argsort` of the experts, `position_of` its `inverse_permutation`, and `expert_offsets` the op of that name:
    row r of the sorted rows is the pair `row_of[r]`, pair p is in row `position_of[p]`, and expert e owns rows
    `expert_offsets[e]` to `expert_offsets[e + 1]`. With `first`, e counts from there, and -1 stands for what a rank has not.

    ```mlir
    %row_of, %position_of, %expert_offsets = llm.moe_sort %experts num_experts 8
        : tensor<?x2xi32, #tokens> -> tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<?xi32, #llm.dims<["tokens*2"]>>, tensor<9xi32>
    ```
    Sharding rule: `(t!,k!),()->(r),(p!),(o!)`; under expert parallelism it sorts by the experts of its rank, from `first` on, and
    r is sharded as the experts are.
    Cost: 0 FLOPs; 4·(3·t·k + e + 1) bytes.
  }];
  let results = (outs Llm_IntTensor<[1], "[tokens*top_k]">:$row_of, Llm_IntTensor<[1], "[tokens*top_k]">:$position_of,
                      Llm_IntTensor<[1], "[num_experts + 1]">:$expert_offsets);
  let assemblyFormat = operandsFormat # " `:` type($experts) `->` type($row_of) `,` type($position_of) `,` type($expert_offsets)";
}

def Llm_MoeCombineOp : Llm_ComputeOp<"moe_combine", [Pure]> {
  let summary = "The weighted sum of what the experts of a token said.";
  let description = [{
    `result[t, :] = sum_j(weights[t, j] * y[position_of[t * top_k + j], :])`, summed in float32 in the order of j, rounded once;
    zeros stand for pairs whose `position_of` is -1: the same bits as by `unpermute_tokens` and `weighted_sum`.

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
