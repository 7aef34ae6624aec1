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

/// Writes key and value of one head into a slot of the cache.
template <typename T>
inline void appendHead(T *cache, const T *key, const T *value, uint64_t head, uint64_t slot,
                       const KvLayout &layout) {
  constexpr uint64_t pair = pairSize<T>;
  const uint64_t block = slot / layout.blockSize, token = slot % layout.blockSize;
  const uint64_t stride = layout.paddedHeadDim(), lane = token % lanes;
  T *keys = layout.keys(cache, block, head) + (token - lane) * stride;
  T *values = layout.values(cache, block, head) + token / pair * pair * stride + token % pair;
  for (uint64_t d = 0; d < layout.headDim; ++d)
    keys[KvLayout::keyIndex<T>(lane, d)] = key[d];
  for (uint64_t d = 0; d < layout.headDim; ++d)
    values[d * pair] = value[d];
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
