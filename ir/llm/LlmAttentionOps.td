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
