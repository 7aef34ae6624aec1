//===- LlmDenseOps.td - embedding, norms, projections, rotary embedding, elementwise ----------===//
#ifndef VINCI_IR_LLM_LLMDENSEOPS_TD
#define VINCI_IR_LLM_LLMDENSEOPS_TD

include "ir/llm/LlmStructureOps.td"

/// `rule` is the sharding rule, which the description states as well (ir/llm/ShardingRule.h says what it means); empty for ops
/// that are made after partitioning.
class Llm_ComputeOp<string mnemonic, list<Trait> traits = [], string rule = "">
    : Llm_Op<mnemonic, traits # [HasParent<"BodyOp">, Llm_ShardingOpInterface]> {
  code ruleDeclaration = "static ::llvm::StringRef getShardingRule() { return \"" # rule # "\"; }\n";
  let extraClassDeclaration = ruleDeclaration;
  assert !ne(!find(description, rule), -1), "the description of llm." # mnemonic # " must state its rule " # rule;
}

/// Operand and result are the same tensor type.
class Llm_ElementwiseOp<string mnemonic, list<Trait> traits, string rule>
    : Llm_ComputeOp<mnemonic, traits # [Pure, SameOperandsAndResultType], rule> {
  let results = (outs Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, head_dim]">:$result);
}

def Llm_EmbeddingOp : Llm_ComputeOp<"embedding", [Pure], "(t),(v,h!),()->(t,h!)"> {
  let summary = "Rows of a table, by token id.";
  let description = [{
    `result[t, :] = table[token_ids[t] - start[0], :]`, start being 0 if it is not there; zeros where the table has no such
    row.

    ```mlir
    %hidden = llm.embedding %token_ids, %embed_tokens
        : (tensor<?xi32, #tokens>, tensor<4096x256xbf16>) -> tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `(t),(v,h!),()->(t,h!)`; v sharded: each rank looks up its own vocabulary, from `start` on, and
    the result is a partial sum.
    Cost: 0 FLOPs; 2·t·h·D + 4·t bytes (only the rows that are looked up are read).
  }];
  let arguments = (ins Llm_IntTensor<[1], "[tokens]">:$token_ids,
                       Llm_FloatTensor<[2], "[vocab_size, hidden_size]">:$table,
                       Optional<Llm_IntTensor<[1], "[1]">>:$start);
  let results = (outs Llm_FloatTensor<[2], "[tokens, hidden_size]">:$result);
  let assemblyFormat = [{
    $token_ids `,` $table (`start` $start^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Llm_RopeTableOp : Llm_ComputeOp<"rope_table", [Pure], "(t),(d!)->(t,d!)"> {
  let summary = "Cosine and sine of the rotary angles of each token.";
  let description = [{
    With `a[t, i] = positions[t] * inv_freq[i]` in float32, `i < head_dim / 2`:
    `result[t, i] = cos(a[t, i])`, `result[t, head_dim / 2 + i] = sin(a[t, i])`, rounded once to the result's type, which
    is the one that `rope` computes in.

    ```mlir
    %rope = llm.rope_table %positions, %inv_freq
        : (tensor<?xi32, #tokens>, tensor<32xf32>) -> tensor<?x64xf32, #tokens>
    ```
    Sharding rule: `(t),(d!)->(t,d!)`; d is never sharded.
    Cost: about 40 FLOPs per element of the result, t·head_dim; 4·(t + head_dim/2) + t·head_dim·D bytes.
  }];
  let arguments = (ins Llm_IntTensor<[1], "[tokens]">:$positions, Llm_F32Tensor<[1], "[head_dim / 2]">:$inv_freq);
  let results = (outs Llm_FloatTensor<[2], "[tokens, head_dim]">:$result);
  let assemblyFormat = "$positions `,` $inv_freq attr-dict `:` functional-type(operands, results)";
}

def Llm_RmsNormOp : Llm_ComputeOp<"rms_norm", [Pure, AllTypesMatch<["input", "result"]>], "(..,n!),(n!),(n!)->(..,n!)"> {
  let summary = "Root mean square normalisation over the last dimension.";
  let description = [{
    `result[.., i] = round(x[.., i] / sqrt(mean_j(x[.., j]^2) + eps)) * weight[i]`; the mean and the quotient in float32,
    `round` to the element type, as the Hugging Face models do. Of rank 3 it normalises each head by itself.

    `in` T, which is the element type: `m = r(sum_j(r(x[.., j] * x[.., j])) / n)`, `s = r(1 / sqrt(r(m + r(eps))))`,
    `result[.., i] = r(r(x[.., i] * s) * weight[i])`. In f16 a row with an element of 256 or more has an infinite m and
    becomes zeros.

    With a bias, as checkpoints have it whose outliers were moved out of the activations, it is added to the result as that
    was rounded, and the sum is rounded again: `llm.add` of a row.

    ```mlir
    %0 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 : tensor<?x256xbf16, #tokens>, tensor<256xbf16>
    %1 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 in bf16 : tensor<?x256xbf16, #tokens>, tensor<256xbf16>
    %2 = llm.rms_norm %hidden, %input_layernorm eps 1.0e-06 bias %bias
        : tensor<?x256xbf16, #tokens>, tensor<256xbf16>, tensor<256xbf16>
    ```
    Sharding rule: `(..,n!),(n!),(n!)->(..,n!)`; n is never sharded, weight and bias are on every rank.
    Cost: 4 FLOPs per element, 5 with a bias; 2·t·g·n·D + n·D bytes (+ n·D with a bias).
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, n]">:$input,
                       Llm_FloatTensor<[1], "[n]">:$weight, Optional<Llm_FloatTensor<[1], "[n]">>:$bias,
                       F64Attr:$eps, TypeAttr:$compute);
  let results = (outs Llm_FloatTensor<[2, 3], "as the input">:$result);
  let assemblyFormat = [{
    $input `,` $weight `eps` custom<PlainFloat>($eps) `` custom<ComputeType>($compute) (`bias` $bias^)? attr-dict `:`
    type($input) `,` type($weight) (`,` type($bias)^)?
  }];
}

def Llm_AddRmsNormOp : Llm_ComputeOp<"add_rms_norm", [Pure, AllTypesMatch<["input", "residual", "normed", "sum"]>]> {
  let summary = "The residual sum, and its root mean square normalisation.";
  let description = [{
    `sum[..] = round(x[..] + residual[..])` as in `llm.add`, and `normed` is `llm.rms_norm` of that sum: the same bits as by
    the two ops.

    ```mlir
    %normed, %sum = llm.add_rms_norm %attention, %residual, %weight eps 1.0e-06
        : tensor<?x256xbf16, #tokens>, tensor<256xbf16>
    ```
    Sharding rule: `(t,g,n),(t,g,n),(n),(n)->(t,g,n),(t,g,n)`; n is never sharded, no operand may be a partial sum.
    Cost: 5 FLOPs per element, 6 with a bias; 4·t·g·n·D + n·D bytes (+ n·D with a bias), t·g·n·D less than by the two ops.
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, n]">:$input,
                       Llm_FloatTensor<[2, 3], "as the input">:$residual,
                       Llm_FloatTensor<[1], "[n]">:$weight, Optional<Llm_FloatTensor<[1], "[n]">>:$bias,
                       F64Attr:$eps, TypeAttr:$compute);
  let results = (outs Llm_FloatTensor<[2, 3], "as the input">:$normed, Llm_FloatTensor<[2, 3], "as the input">:$sum);
  let assemblyFormat = [{
    $input `,` $residual `,` $weight `eps` custom<PlainFloat>($eps) `` custom<ComputeType>($compute) (`bias` $bias^)?
    attr-dict `:` type($input) `,` type($weight) (`,` type($bias)^)?
  }];
}

def Llm_MatmulOp : Llm_ComputeOp<"matmul", [Pure], "(i,k),(j,k),(j)->(i,j)"> {
  let summary = "A projection: matrix product with a transposed weight, plus a bias.";
  let description = [{
    `result[i, j] = sum_k(x[i, k] * weight[j, k]) + bias[j]`, summed in float32 and rounded once. The weight is
    `[out_features, in_features]` as checkpoints have it. The result is of the input's element type or f32 (logits).

    ```mlir
    %0 = llm.matmul %x, %q_proj bias %q_bias
        : (tensor<?x256xbf16, #tokens>, tensor<512x256xbf16>, tensor<512xbf16>) -> tensor<?x512xbf16, #tokens>
    ```
    Sharding rule: `(i,k),(j,k),(j)->(i,j)`; k sharded: the result is a partial sum, and the bias is added on one rank.
    Cost: 2·i·j·k FLOPs (+ i·j with a bias); (i·k + j·k)·D + i·j·D_out bytes (+ j·D).
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, k]">:$input, Llm_FloatTensor<[2], "[n, k]">:$weight,
                       Optional<Llm_FloatTensor<[1], "[n]">>:$bias);
  let results = (outs Llm_FloatTensor<[2], "[rows, n]">:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Llm_SplitHeadsOp : Llm_ComputeOp<"split_heads", [Pure], "~(t,h)->(t,h,d!)"> {
  let summary = "Names the heads of a row; no data moves.";
  let description = [{
    `result[t, h, d] = x[t, h * head_dim + d]`

    ```mlir
    %0 = llm.split_heads %q : tensor<?x512xbf16, #tokens> -> tensor<?x8x64xbf16, #tokens>
    ```
    Sharding rule: `~(t,h)->(t,h,d!)`; sharding hd by a divisor of h shards h. Cost: none.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, heads * head_dim]">:$input);
  let results = (outs Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Llm_MergeHeadsOp : Llm_ComputeOp<"merge_heads", [Pure], "~(t,h,d!)->(t,h)"> {
  let summary = "The inverse of split_heads; no data moves.";
  let description = [{
    `result[t, h * head_dim + d] = x[t, h, d]`

    ```mlir
    %0 = llm.merge_heads %o : tensor<?x8x64xbf16, #tokens> -> tensor<?x512xbf16, #tokens>
    ```
    Sharding rule: `~(t,h,d!)->(t,h)`; sharding h shards hd, d is never sharded. Cost: none.
  }];
  let arguments = (ins Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$input);
  let results = (outs Llm_FloatTensor<[2], "[tokens, heads * head_dim]">:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Llm_RopeOp : Llm_ComputeOp<"rope", [Pure, AllTypesMatch<["input", "result"]>], "(t,h,d!),(t,d!)->(t,h,d!)"> {
  let summary = "Rotary position embedding, rotating halves.";
  let description = [{
    With `c, s` the halves of `table[t, :]`, `e = head_dim / 2` and `i < e`:
    `result[t, h, i] = x[t, h, i] * c[i] - x[t, h, i + e] * s[i]`,
    `result[t, h, i + e] = x[t, h, i + e] * c[i] + x[t, h, i] * s[i]`.
    It computes in the table's type, f32 or the input's. In T: `r(r(x * c) - r(y * s))` and `r(r(y * c) + r(x * s))`.

    ```mlir
    %0 = llm.rope %q, %rope : tensor<?x8x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
    %1 = llm.rope %q, %rope_bf16 : tensor<?x8x64xbf16, #tokens>, tensor<?x64xbf16, #tokens>
    ```
    Sharding rule: `(t,h,d!),(t,d!)->(t,h,d!)`; d is never sharded.
    Cost: 3·t·h·d FLOPs; 2·t·h·d·D + t·d·D_table bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$input,
                       Llm_FloatTensor<[2], "[tokens, head_dim]">:$table);
  let results = (outs Llm_FloatTensor<[3], "as the input">:$result);
  let assemblyFormat = "$input `,` $table attr-dict `:` type($input) `,` type($table)";
}

def Llm_RopeQkOp : Llm_ComputeOp<"rope_qk", [
    Pure, AllTypesMatch<["query", "query_result"]>, AllTypesMatch<["key", "key_result"]>]> {
  let summary = "Rotary position embedding of queries and keys.";
  let description = [{
    `query_result` is `llm.rope` of the query and `key_result` that of the key, by one table: the same bits as by two ops.

    ```mlir
    %0, %1 = llm.rope_qk %q, %k, %rope
        : tensor<?x8x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>, tensor<?x64xf32, #tokens>
    ```
    Sharding rule: `(t,h,d),(t,g,d),(t,d)->(t,h,d),(t,g,d)`; d is never sharded.
    Cost: 3·t·(h + g)·d FLOPs; 2·t·(h + g)·d·D + t·d·D_table bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$query,
                       Llm_FloatTensor<[3], "[tokens, kv_heads, head_dim]">:$key,
                       Llm_FloatTensor<[2], "[tokens, head_dim]">:$table);
  let results = (outs Llm_FloatTensor<[3], "as the query">:$query_result, Llm_FloatTensor<[3], "as the key">:$key_result);
  let assemblyFormat = "$query `,` $key `,` $table attr-dict `:` type($query) `,` type($key) `,` type($table)";
}

def Llm_AddOp : Llm_ElementwiseOp<"add", [Commutative], "~(..),~(..)->(..)"> {
  let summary = "Elementwise sum.";
  let description = [{
    `result[..] = lhs[..] + rhs[..]` in float32, rounded once.

    ```mlir
    %0 = llm.add %hidden, %attention : tensor<?x256xbf16, #tokens>
    ```
    Sharding rule: `~(..),~(..)->(..)`; both operands may be partial sums, then so is the result.
    Cost: 1 FLOP and 3·D bytes per element.
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, head_dim]">:$lhs,
                       Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, head_dim]">:$rhs);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def Llm_MulOp : Llm_ElementwiseOp<"mul", [Commutative], "(..),(..)->(..)"> {
  let summary = "Elementwise product.";
  let description = [{
    `result[..] = lhs[..] * rhs[..]` in float32, rounded once.

    ```mlir
    %0 = llm.mul %gate, %up : tensor<?x768xbf16, #tokens>
    ```
    Sharding rule: `(..),(..)->(..)`; neither operand may be a partial sum.
    Cost: 1 FLOP and 3·D bytes per element.
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, head_dim]">:$lhs,
                       Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, head_dim]">:$rhs);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def Llm_SiluOp : Llm_ElementwiseOp<"silu", [], "(..)->(..)"> {
  let summary = "Sigmoid linear unit.";
  let description = [{
    `result[..] = x[..] / (1 + exp(-x[..]))` in float32, rounded once.

    ```mlir
    %0 = llm.silu %gate : tensor<?x768xbf16, #tokens>
    ```
    Sharding rule: `(..)->(..)`; the operand may not be a partial sum.
    Cost: about 20 FLOPs and 2·D bytes per element.
  }];
  let arguments = (ins Llm_FloatTensor<[2, 3], "[rows, n] or [rows, heads, head_dim]">:$input);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

def Llm_SwigluOp : Llm_ComputeOp<"swiglu", [Pure]> {
  let summary = "A gated linear unit: silu of the one, times the other.";
  let description = [{
    `result[r, i] = round(silu(gate[r, i])) * up[r, i]` in float32, rounded once more: `silu` and `mul` in one, to the bit. With
    one operand [rows, 2·n], the columns below n are the gate and the others up: what the concatenation of both projections
    gives.

    ```mlir
    %0 = llm.swiglu %gate, %up
        : (tensor<?x768xbf16, #tokens>, tensor<?x768xbf16, #tokens>) -> tensor<?x768xbf16, #tokens>
    %1 = llm.swiglu %gate_up : (tensor<?x1536xbf16, #tokens>) -> tensor<?x768xbf16, #tokens>
    ```
    Sharding rule: `(r,i),(r,i)->(r,i)`, and `(r,2i)->(r,i)`, 2i being two segments that are sharded alike; no operand may be
    a partial sum.
    Cost: about 21 FLOPs and 3·D bytes per element of the result.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[rows, n], or [rows, 2 * n] alone">:$gate,
                       Optional<Llm_FloatTensor<[2], "[rows, n]">>:$up);
  let results = (outs Llm_FloatTensor<[2], "[rows, n]">:$result);
  let assemblyFormat = "$gate (`,` $up^)? attr-dict `:` functional-type(operands, results)";
}

def Llm_GatherRowsOp : Llm_ComputeOp<"gather_rows", [Pure], "~(t,n),(t)->(t,n)"> {
  let summary = "The rows whose logits are wanted.";
  let description = [{
    `result[r, :] = x[indices[r], :]`

    ```mlir
    %0 = llm.gather_rows %hidden, %logit_indices
        : (tensor<?x256xbf16, #tokens>, tensor<?xi32, #logit_rows>) -> tensor<?x256xbf16, #logit_rows>
    ```
    Sharding rule: `~(t,n),(t)->(t,n)`; t is never sharded. Cost: 0 FLOPs; 2·r·n·D + 4·r bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, n]">:$input, Llm_IntTensor<[1], "[logit_rows]">:$indices);
  let results = (outs Llm_FloatTensor<[2], "[logit_rows, n]">:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
}

#endif
