// The KV cache of one layer, in blocks: per KV head K, then V; head_dim is padded to 16.
//
// 16-bit types lie as products read them, in pairs along the dimension that is summed over: K as
// [block_size / 16][head_dim / 2][16 tokens][2], V as [block_size / 2][head_dim][2 tokens], so that
// one cache line is 16 lanes of two values. float32 is alike without pairs: K as
// [block_size / 16][head_dim][16 tokens], V as [block_size][head_dim].
#pragma once

#include "support/panels.h"

template <typename T> constexpr uint64_t pairSize = sizeof(T) == 2 ? 2 : 1;

struct KvLayout {
  uint64_t kvHeads, headDim, blockSize;

  uint64_t paddedHeadDim() const { return (headDim + lanes - 1) / lanes * lanes; }
  uint64_t matrixElements() const { return paddedHeadDim() * blockSize; }

  /// K of one head of one block. The 16 tokens from token t on, a multiple of 16, begin at
  /// t * paddedHeadDim().
  template <typename T> T *keys(T *cache, uint64_t block, uint64_t head) const {
    return cache + (block * kvHeads + head) * 2 * matrixElements();
  }
  /// V likewise; the tokens from t on, an even number, begin at t * paddedHeadDim().
  template <typename T> T *values(T *cache, uint64_t block, uint64_t head) const {
    return keys(cache, block, head) + matrixElements();
  }
  template <typename T> static constexpr uint64_t keyIndex(uint64_t lane, uint64_t d) {
    return d / pairSize<T> * lanes * pairSize<T> + lane * pairSize<T> + d % pairSize<T>;
  }
};

/// Two halves of pairs, element by element.
using Elements16 = uint16_t __attribute__((ext_vector_type(16)));
using Words8 = uint32_t __attribute__((ext_vector_type(8)));
typedef Elements16 UnalignedElements16 __attribute__((aligned(2)));
typedef Words8 UnalignedWords8 __attribute__((aligned(2)));

/// How many tokens of this step, from `token` on, fill a pair of slots together: 2, or 1.
inline uint64_t tokensOfPair(const int32_t *slots, uint64_t token, uint64_t end) {
  const int32_t slot = slots[token];
  return slot >= 0 && slot % 2 == 0 && token + 1 < end && slots[token + 1] == slot + 1 ? 2 : 1;
}

/// Writes keys and values of one head into the slots from `slot` on; two of them are a pair, as
/// tokensOfPair says.
template <int Tokens, typename T>
inline void appendHead(T *cache, const T *const (&keys)[Tokens], const T *const (&values)[Tokens],
                       uint64_t head, uint64_t slot, const KvLayout &layout) {
  constexpr uint64_t pair = pairSize<T>;
  const uint64_t block = slot / layout.blockSize, token = slot % layout.blockSize;
  const uint64_t stride = layout.paddedHeadDim(), lane = token % lanes;
  T *k = layout.keys(cache, block, head) + (token - lane) * stride;
  T *v = layout.values(cache, block, head) + token / pair * pair * stride + token % pair;
  uint64_t d = 0;
  if constexpr (Tokens == 2 && pair == 2)
    for (; d + lanes <= layout.headDim; d += lanes) {
      const Words8 even = *(const UnalignedWords8 *)(keys[0] + d);
      const Words8 odd = *(const UnalignedWords8 *)(keys[1] + d);
#pragma clang loop unroll(full)
      for (int i = 0; i < 8; ++i)
        *(uint64_t *)(k + KvLayout::keyIndex<T>(lane, d + 2 * uint64_t(i))) =
            even[i] | uint64_t(odd[i]) << 32;
      const Elements16 first = *(const UnalignedElements16 *)(values[0] + d);
      const Elements16 second = *(const UnalignedElements16 *)(values[1] + d);
      *(Words *)(v + d * pair) =
          __builtin_convertvector(first, Words) | __builtin_convertvector(second, Words) << 16;
    }
#pragma clang loop unroll(full)
  for (int t = 0; t < Tokens; ++t) {
    T *own = pair == 2 ? v + t : v + uint64_t(t) * stride;
    for (uint64_t at = d; at < layout.headDim; ++at)
      k[KvLayout::keyIndex<T>(lane + uint64_t(t), at)] = keys[t][at];
    for (uint64_t at = d; at < layout.headDim; ++at)
      own[at * pair] = values[t][at];
  }
}

/// What a cache line of K or V holds: for each lane `pairSize` values along the dimension that is
/// summed over.
template <typename T> struct KvLine { Floats values[pairSize<T>]; };
inline KvLine<float> loadLine(const float *from) {
  return {{load(from)}};
}
template <typename T> inline KvLine<T> loadLine(const T *from) {
  const WeightPair pair = Panel<T>::load(from);
  return {{pair.even, pair.odd}};
}
