// split_qkv: queries, keys and values of one projection, the first two normalised and rotated if
// asked. append_qkv: the same, with keys and values into the paged cache. What is rounded between
// the steps is what rms_norm and rope would have stored.
#include "support/kernel.h"
#include "support/kv_block.h"
#include "support/rows.h"

namespace {

constexpr uint64_t maxHeadDim = 512; // as the catalogue's

/// `T`: elements, `C`: what norms compute in, `R`: the table's elements. Null: no such step.
template <typename T, typename C, typename R> struct Heads {
  const T *queryNorm, *keyNorm;
  const R *table;
  uint64_t headDim;
  float eps;

  /// A head of queries or keys of a token.
  void make(T *out, const T *x, const T *norm, uint64_t token) const {
    if (norm)
      rmsNormRow<T, C>(out, x, NormWeights<T>{norm}, headDim, eps);
    const T *from = norm ? out : x;
    if (table) {
      const R *cosines = table + token * headDim;
      rotateHead(out, from, cosines, cosines + headDim / 2, headDim / 2);
    } else if (!norm) {
      copy(out, x, headDim);
    }
  }

  static void copy(T *out, const T *x, uint64_t n) {
    for (uint64_t i = 0; i < n; ++i)
      out[i] = x[i];
  }
};

template <typename T, typename C, typename R>
Heads<T, C, R> headsOf(void *const *buffers, int inputs, bool norm, bool rope, uint64_t headDim,
                       double eps) {
  return {norm ? input<T>(buffers, inputs + 1) : nullptr,
          norm ? input<T>(buffers, inputs + 2) : nullptr,
          rope ? input<R>(buffers, inputs + (norm ? 3 : 1)) : nullptr, headDim, float(eps)};
}

/// Keys and values of `Tokens` tokens from `token` on, whose rows are `width` apart and begin with
/// the keys at x, into the slots from `slot` on.
template <int Tokens, typename T, typename Make>
void appendTokens(const Make &make, T *cache, const T *x, uint64_t width, uint64_t token,
                  uint64_t slot, const KvLayout &layout) {
  for (uint64_t head = 0; head < layout.kvHeads; ++head, x += layout.headDim) {
    T made[Tokens][maxHeadDim];
    const T *keys[Tokens], *values[Tokens];
    for (int t = 0; t < Tokens; ++t) {
      const T *key = x + uint64_t(t) * width;
      make.make(made[t], key, make.keyNorm, token + uint64_t(t));
      keys[t] = made[t];
      values[t] = key + layout.kvHeads * layout.headDim;
    }
    appendHead<Tokens>(cache, keys, values, head, slot, layout);
  }
}

template <typename T, typename Make>
void appendQkv(const Tile &t, const Make &make, T *q, T *cache, const T *qkv, const int32_t *slots,
               uint64_t heads, const KvLayout &layout) {
  const uint64_t width = (heads + 2 * layout.kvHeads) * layout.headDim;
  for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token)
    for (uint64_t head = 0; head < heads; ++head)
      make.make(q + (token * heads + head) * layout.headDim,
                qkv + token * width + head * layout.headDim, make.queryNorm, token);
  const T *keys = qkv + heads * layout.headDim;
  for (uint64_t token = t.rowBegin, count; token < t.rowEnd; token += count) {
    count = tokensOfPair(slots, token, t.rowEnd);
    if (slots[token] < 0)
      continue;
    const auto slot = uint64_t(slots[token]);
    if (count == 2)
      appendTokens<2>(make, cache, keys + token * width, width, token, slot, layout);
    else
      appendTokens<1>(make, cache, keys + token * width, width, token, slot, layout);
  }
}

} // namespace

#define SPLIT_QKV(T, name, C, region, R, rotary)                                                   \
  extern "C" void vinci_split_qkv_##name##_##region##_##rotary(                                    \
      VINCI_COMMAND, uint64_t heads, uint64_t kvHeads, uint64_t headDim, uint64_t norm,            \
      uint64_t rope, double eps, VINCI_TILES) {                                                    \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const Heads<T, C, R> make = headsOf<T, C, R>(buffers, 3, norm, rope, headDim, eps);            \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token) {                                 \
      const T *x = input<T>(buffers, 3) + token * (heads + 2 * kvHeads) * headDim;                 \
      for (uint64_t head = 0; head < heads; ++head, x += headDim)                                  \
        make.make(output<T>(buffers, 0) + (token * heads + head) * headDim, x, make.queryNorm,     \
                  token);                                                                          \
      for (uint64_t head = 0; head < kvHeads; ++head, x += headDim)                                \
        make.make(output<T>(buffers, 1) + (token * kvHeads + head) * headDim, x, make.keyNorm,     \
                  token);                                                                          \
      make.copy(output<T>(buffers, 2) + token * kvHeads * headDim, x, kvHeads * headDim);          \
    }                                                                                              \
  }

#define APPEND_QKV(T, name, C, region, R, rotary)                                                  \
  extern "C" void vinci_append_qkv_##name##_##region##_##rotary(                                   \
      VINCI_COMMAND, uint64_t heads, uint64_t kvHeads, uint64_t headDim, uint64_t norm,            \
      uint64_t rope, double eps, uint64_t blockSize, VINCI_TILES) {                                \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const Heads<T, C, R> make = headsOf<T, C, R>(buffers, 2, norm, rope, headDim, eps);            \
    const int32_t *slots = input<int32_t>(buffers, 3 + (norm ? 2 : 0) + (rope ? 1 : 0));           \
    appendQkv<T>(t, make, output<T>(buffers, 0), output<T>(buffers, 1), input<T>(buffers, 2),      \
                 slots, heads, KvLayout{kvHeads, headDim, blockSize});                             \
  }

/// With the types of both regions.
#define VINCI_WITH_ROTARY(T, name, C, region)                                                      \
  SPLIT_QKV(T, name, C, region, float, float32)                                                    \
  APPEND_QKV(T, name, C, region, float, float32)
#define VINCI_WITH_ROTARY_OF(T, name, C, region)                                                   \
  SPLIT_QKV(T, name, C, region, T, name)                                                           \
  APPEND_QKV(T, name, C, region, T, name)
VINCI_FOR_EACH_TYPE_AND_REGION(VINCI_WITH_ROTARY)
VINCI_WITH_ROTARY_OF(BFloat16, bfloat16, float, float32)
VINCI_WITH_ROTARY_OF(BFloat16, bfloat16, BFloat16, bfloat16)
VINCI_WITH_ROTARY_OF(_Float16, float16, float, float32)
VINCI_WITH_ROTARY_OF(_Float16, float16, _Float16, float16)
