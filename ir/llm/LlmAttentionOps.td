//===- LlmAttentionOps.td - attention over the paged KV cache ---------------------------------===//
#ifndef VINCI_IR_LLM_LLMATTENTIONOPS_TD
#define VINCI_IR_LLM_LLMATTENTIONOPS_TD

include "ir/llm/LlmDenseOps.td"

def Llm_KvAppendOp : Llm_ComputeOp<"kv_append", [AllTypesMatch<["cache", "result"]>], "(t,h,d!),(t,h,d!),(h),(t)->(h)"> {
  let summary = "Writes this step's keys and values into the cache.";
  let description = [{
    Token t goes to offset `slot_mapping[t] % block_size` of block `slot_mapping[t] / block_size`; a negative slot is not
    written. The operand `cache` is *consumed*: whatever comes after must use the result.

    ```mlir
    %cache = llm.kv_append %k, %v into %kv_cache at %slot_mapping
        : tensor<?x2x64xbf16, #tokens>, !llm.kv_cache<2x64xbf16>, tensor<?xi32, #tokens>
    ```
    Sharding rule: `(t,h,d!),(t,h,d!),(h),(t)->(h)`; t and d are never sharded.
    Cost: 0 FLOPs; 4·t·h·d·D + 4·t bytes.
  }];
  let arguments = (ins Llm_FloatTensor<[3], "[tokens, kv_heads, head_dim]">:$key,
                       Llm_FloatTensor<[3], "[tokens, kv_heads, head_dim]">:$value,
                       Llm_KvCacheType:$cache, Llm_IntTensor<[1], "[tokens]">:$slot_mapping);
  let results = (outs Llm_KvCacheType:$result);
  let assemblyFormat = [{
    $key `,` $value `into` $cache `at` $slot_mapping attr-dict `:`
    custom<SameTypes>(type($key), type($value)) `,` qualified(type($cache)) `,` type($slot_mapping)
  }];
}

def Llm_SplitQkvOp : Llm_ComputeOp<"split_qkv", [Pure, AttrSizedOperandSegments, AllTypesMatch<["key", "value"]>]> {
  let summary = "Queries, keys and values of one projection, by heads; the first two normalised and rotated if asked.";
  let description = [{
    A row of `qkv` is the heads of the queries, then those of the keys, then those of the values. With `norms`, each head of
    queries and of keys is `llm.rms_norm`ed; with `rope`, it is rotated then as by `llm.rope`. Values are copied. It rounds
    where these ops store, so the results are the same bits.

    ```mlir
    %q, %k, %v = llm.split_qkv %qkv : (tensor<?x768xbf16, #tokens>)
        -> (tensor<?x8x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>)
    %q, %k, %v = llm.split_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 in bf16 rope %rope
        : (tensor<?x768xbf16, #tokens>, tensor<64xbf16>, tensor<64xbf16>, tensor<?x64xf32, #tokens>)
        -> (tensor<?x8x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>, tensor<?x2x64xbf16, #tokens>)
    ```
    Sharding rule: `(t,(h+2g)d),(d),(d),(t,d)->(t,h,d),(t,g,d),(t,g,d)`; h and g are sharded together, each rank having its own
    heads of all three in its row; d is never sharded.
    Cost: t·(h + g)·d times 4 FLOPs with norms and 3 with rope; 2·t·(h + 2·g)·d·D bytes (+ 2·d·D, + t·d·D_table).
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, (heads + 2 * kv_heads) * head_dim]">:$qkv,
                       Optional<Llm_FloatTensor<[1], "[head_dim]">>:$query_norm,
                       Optional<Llm_FloatTensor<[1], "[head_dim]">>:$key_norm,
                       Optional<Llm_FloatTensor<[2], "[tokens, head_dim]">>:$table,
                       OptionalAttr<F64Attr>:$eps, TypeAttr:$compute);
  let results = (outs Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$query,
                      Llm_FloatTensor<[3], "[tokens, kv_heads, head_dim]">:$key,
                      Llm_FloatTensor<[3], "[tokens, kv_heads, head_dim]">:$value);
  let assemblyFormat = [{
    $qkv (`norms` $query_norm^ `,` $key_norm `eps` custom<PlainFloat>($eps))? `` custom<ComputeType>($compute)
    (`rope` $table^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Llm_AppendQkvOp : Llm_ComputeOp<"append_qkv", [AttrSizedOperandSegments, AllTypesMatch<["cache", "result"]>]> {
  let summary = "llm.split_qkv, with keys and values straight into the cache.";
  let description = [{
    `query` as by `llm.split_qkv`, and `result` as by `llm.kv_append` of its key and value, which are nowhere else.

    ```mlir
    %q, %cache = llm.append_qkv %qkv norms %q_norm, %k_norm eps 1.0e-06 rope %rope into %kv_cache at %slot_mapping
        : (tensor<?x768xbf16, #tokens>, tensor<64xbf16>, tensor<64xbf16>, tensor<?x64xf32, #tokens>,
           !llm.kv_cache<2x64xbf16>, tensor<?xi32, #tokens>) -> (tensor<?x8x64xbf16, #tokens>, !llm.kv_cache<2x64xbf16>)
    ```
    Sharding rule: `(t,(h+2g)d),(d),(d),(t,d),(g),(t)->(t,h,d),(g)`, as of the two ops.
    Cost: that of `llm.split_qkv` + 4·t bytes; 4·t·g·d·D bytes less than by the two ops.
  }];
  let arguments = (ins Llm_FloatTensor<[2], "[tokens, (heads + 2 * kv_heads) * head_dim]">:$qkv,
                       Optional<Llm_FloatTensor<[1], "[head_dim]">>:$query_norm,
                       Optional<Llm_FloatTensor<[1], "[head_dim]">>:$key_norm,
                       Optional<Llm_FloatTensor<[2], "[tokens, head_dim]">>:$table,
                       Llm_KvCacheType:$cache, Llm_IntTensor<[1], "[tokens]">:$slot_mapping,
                       OptionalAttr<F64Attr>:$eps, TypeAttr:$compute);
  let results = (outs Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$query, Llm_KvCacheType:$result);
  let assemblyFormat = [{
    $qkv (`norms` $query_norm^ `,` $key_norm `eps` custom<PlainFloat>($eps))? `` custom<ComputeType>($compute)
    (`rope` $table^)? `into` $cache `at` $slot_mapping attr-dict `:` functional-type(operands, results)
  }];
}

def Llm_AttentionOp : Llm_ComputeOp<"attention", [Pure, AllTypesMatch<["query", "result"]>],
                                     "(t,h,d!),(h),(q!),(t),(t,b!)->(t,h,d!)"> {
  let summary = "Causal attention of this step's queries over the cache.";
  let description = [{
    Sequence s owns the query rows `query_start[s] <= t < query_start[s + 1]`; row t stands at position
    `p = context_lens[s] - query_start[s + 1] + t` and attends to positions 0 to p, which lie in the blocks
    `block_tables[s, :]`. With K, V of KV head `h / (heads / kv_heads)`:
    `result[t, h, :] = sum_j(softmax_j(scale * q[t, h, :] . K[j, :]) * V[j, :])`, in float32, rounded once.

    `softmax` T, which is the element type: `s_j = r(r(q[t, h, :] . K[j, :]) * r(scale))`, the product summed in float32.
    The positions 0 to p are taken in chunks of 64 (32, 16: the most that divide `block_size`), with a maximum M, a sum Z
    and a vector A that begin as -infinity, 0 and 0. A chunk first raises M to its largest s_j; with M' the M before,
    `f = r(exp(r(M' - M)))` and `e_j = r(exp(r(s_j - M)))`, then `Z = Z * f + sum_j(e_j)` and `A = A * f + sum_j(e_j * V[j, :])`
    in float32. At the end `result[t, h, :] = round(A / r(Z))`. So for at most one chunk:
    `e_j = r(exp(r(s_j - max(s))))`, `result = round(sum_j(e_j * V[j, :]) / r(sum_j(e_j)))`.

    ```mlir
    %o = llm.attention %q, %cache, %query_start, %context_lens, %block_tables scale 0.125
        : tensor<?x8x64xbf16, #tokens>, !llm.kv_cache<2x64xbf16>, tensor<9xi32>,
          tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    %p = llm.attention %q, %cache, %query_start, %context_lens, %block_tables scale 0.125 softmax bf16
        : tensor<?x8x64xbf16, #tokens>, !llm.kv_cache<2x64xbf16>, tensor<9xi32>,
          tensor<?xi32, #sequences>, tensor<?x16xi32, #sequences>
    ```
    Sharding rule: `(t,h,d!),(h),(q!),(t),(t,b!)->(t,h,d!)`; only h is ever sharded (with fewer KV heads than ranks, KV heads
    are replicated).
    Cost, with c the sum over query tokens of p + 1: 4·c·h·d FLOPs (+ about 20·c·h for softmax);
    2·t·h·d·D + 2·context·kv_heads·d·D bytes, context being the sum of `context_lens`.
  }];
  let arguments = (ins Llm_FloatTensor<[3], "[tokens, heads, head_dim]">:$query, Llm_KvCacheType:$cache,
                       Llm_IntTensor<[1], "[max_batch + 1]">:$query_start,
                       Llm_IntTensor<[1], "[sequences]">:$context_lens,
                       Llm_IntTensor<[2], "[sequences, max_blocks]">:$block_tables, F64Attr:$scale,
                       TypeAttr:$softmax);
  let results = (outs Llm_FloatTensor<[3], "as the query">:$result);
  let assemblyFormat = [{
    $query `,` $cache `,` $query_start `,` $context_lens `,` $block_tables `scale` custom<PlainFloat>($scale)
    `` custom<SoftmaxType>($softmax) attr-dict `:` type($query) `,` qualified(type($cache)) `,` type($query_start) `,` type($context_lens) `,` type($block_tables)
  }];
}

#endif
