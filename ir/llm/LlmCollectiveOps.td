//===- LlmCollectiveOps.td - what ranks do together, and what tells them apart ------------------===//
#ifndef VINCI_IR_LLM_LLMCOLLECTIVEOPS_TD
#define VINCI_IR_LLM_LLMCOLLECTIVEOPS_TD

include "ir/llm/LlmDenseOps.td"

/// All ranks of the mesh run the op; those that differ along `axes` alone do it together. The ops are put in by
/// `partition`, so they need no rule of their own.
class Llm_CollectiveOp<string mnemonic, list<Trait> traits = []> : Llm_ComputeOp<mnemonic, traits # [Pure]> {
  code axesDeclaration = [{
    /// Ranks that take part in one operation.
    int64_t getGroupSize();
  }];
}

def Llm_AllReduceOp : Llm_CollectiveOp<"all_reduce", [AllTypesMatch<["input", "result"]>]> {
  let summary = "The sum over the ranks of a group, on each of them.";
  let description = [{
    `result[..] = sum over ranks of x[..]`, summed in float32 in the order of the ranks and rounded once.

    ```mlir
    %0 = llm.all_reduce %x over [0] : tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: a partial sum over these axes becomes whole.
    Cost with n ranks: 2·(n-1)/n bytes of x sent and received by each.
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, n]">:$input, DenseI64ArrayAttr:$axes);
  let results = (outs Llm_FloatTensor<[2, 3], "as the input">:$result);
  let assemblyFormat = "$input `over` $axes attr-dict `:` type($result)";
  let extraClassDeclaration = ruleDeclaration # axesDeclaration;
}

def Llm_AllGatherOp : Llm_CollectiveOp<"all_gather"> {
  let summary = "The rows of all ranks of a group, one rank's after another's, on each of them.";
  let description = [{
    `result[r * rows + i, ..] = x[i, ..] of rank r`

    ```mlir
    %0 = llm.all_gather %x over [0] : tensor<?x128xf32, #tokens> -> tensor<?x128xf32, #x4_tokens>
    ```
    Shares of the tokens make the tokens: the last ranks' may be short or empty, and what lies beyond the end is left out.

    ```mlir
    %1 = llm.all_gather %y over [0] : tensor<?x256xbf16, #token_shares> -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: rows that are sharded over these axes become whole.
    Cost with n ranks: (n-1) times the bytes of x sent and received by each.
  }];
  let arguments = (ins Llm_ElementsTensor<[1, 2, 3], "any shape">:$input, DenseI64ArrayAttr:$axes);
  let results = (outs Llm_ElementsTensor<[1, 2, 3], "n times the rows">:$result);
  let assemblyFormat = "$input `over` $axes attr-dict `:` type($input) `->` type($result)";
  let extraClassDeclaration = ruleDeclaration # axesDeclaration;
}

def Llm_ReduceScatterOp : Llm_CollectiveOp<"reduce_scatter"> {
  let summary = "The sum over the ranks of a group, each rank keeping its share of the rows.";
  let description = [{
    `result[i, ..] = sum over ranks of x[r * rows + i, ..]` on rank r, summed as in `llm.all_reduce`.

    ```mlir
    %0 = llm.reduce_scatter %x over [0] : tensor<?x256xbf16, #x4_tokens> -> tensor<?x256xbf16, #tokens>
    ```
    Of tokens a rank keeps its share; what a short one lacks is not written.

    ```mlir
    %1 = llm.reduce_scatter %y over [0] : tensor<?x256xbf16, #tokens> -> tensor<?x256xbf16, #token_shares>
    ```
    Sharding rule: a partial sum over these axes becomes whole, with its rows sharded over them.
    Cost with n ranks: (n-1)/n bytes of x sent and received by each.
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, n]">:$input, DenseI64ArrayAttr:$axes);
  let results = (outs Llm_FloatTensor<[2, 3], "n times fewer rows">:$result);
  let assemblyFormat = "$input `over` $axes attr-dict `:` type($input) `->` type($result)";
  let extraClassDeclaration = ruleDeclaration # axesDeclaration;
}

def Llm_MatmulAllReduceOp : Llm_CollectiveOp<"matmul_all_reduce"> {
  let summary = "A projection whose results are partial sums, and their sum over the ranks of a group.";
  let description = [{
    `llm.all_reduce` of `llm.matmul`: the product is rounded before it is summed, so the result is the same bits. One command:
    as soon as a rank's part is there, it joins the collective.

    ```mlir
    %0 = llm.matmul_all_reduce %x, %o_proj over [0]
        : (tensor<?x128xbf16, #tokens>, tensor<256x128xbf16>) -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `(i,k),(j,k),(j)->(i,j)`, with k sharded over these axes; the result is whole.
    Cost: that of the two ops, less one launch and what of the shorter of the two fits behind the longer.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, k]">:$input, Llm_FloatTensor<[2], "[n, k]">:$weight,
                       Optional<Llm_FloatTensor<[1], "[n]">>:$bias, DenseI64ArrayAttr:$axes);
  let results = (outs Llm_FloatTensor<[2], "[rows, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? `over` $axes attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = ruleDeclaration # axesDeclaration;
}

def Llm_JoinColumnsOp : Llm_ComputeOp<"join_columns", [Pure]> {
  let summary = "The columns of gathered parts side by side.";
  let description = [{
    With `parts` parts of m columns each, which llm.all_gather has put one below the other:
    `result[t, p * m + j] = x[p * rows + t, j]` for `p * m + j < n`: what the parts have beyond n columns is padding.

    ```mlir
    %0 = llm.join_columns %x parts 4 : tensor<?x38000xf32, #x4_tokens> -> tensor<?x151936xf32, #tokens>
    ```
    Sharding rule: columns that are sharded over the gathered axes become whole. Cost: 0 FLOPs; 2·t·n·D bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[parts * rows, m]">:$input, I64Attr:$parts);
  let results = (outs Llm_FloatTensor<[2], "[rows, n]">:$result);
  let assemblyFormat = "$input `parts` custom<PlainInt>($parts) attr-dict `:` type($input) `->` type($result)";
}

def Llm_RankConstantOp : Llm_Op<"rank_constant", [
    Pure, HasParent<"BodyOp">, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>,
    InferTypeOpAdaptor]> {
  let summary = "A small table that is another on each rank.";
  let description = [{
    `result = value[rank]`: besides its slices of the weights this is all that a rank knows of who it is.

    ```mlir
    %first_expert = llm.rank_constant @first_expert dense<[[0], [8]]> : tensor<2x1xi32>
    ```
    Sharding rule: one for each rank. Cost: none; users pay for its bytes.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value);
  let results = (outs Llm_TensorOf<[F32, I32], [1, 2], "static tensor of f32 or i32 of rank 1 or 2">:$result);
  let assemblyFormat = "$sym_name $value attr-dict";
}

#endif
