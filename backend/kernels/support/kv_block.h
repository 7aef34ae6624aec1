// A block of the paged KV cache of one layer: per KV head K as [head_dim][block_size], tokens along
// the lanes, then V as [block_size][head_dim]; head_dim is padded to 16.
#pragma once

#include "support/vector.h"

struct KvLayout {
  uint64_t kvHeads, headDim, blockSize;

  uint64_t paddedHeadDim() const { return (headDim + lanes - 1) / lanes * lanes; }
  uint64_t matrixElements() const { return paddedHeadDim() * blockSize; }

  /// K of one head of one block; dimension d of token t is at d * blockSize + t.
  template <typename T> T *keys(T *cache, uint64_t block, uint64_t head) const {
    return cache + (block * kvHeads + head) * 2 * matrixElements();
  }
  /// V likewise; dimension d of token t is at t * paddedHeadDim + d.
  template <typename T> T *values(T *cache, uint64_t block, uint64_t head) const {
    return keys(cache, block, head) + matrixElements();
  }
};

/// Writes key and value of one head into a slot of the cache.
template <typename T>
inline void appendHead(T *cache, const T *key, const T *value, uint64_t head, uint64_t slot,
                       const KvLayout &layout) {
  const uint64_t block = slot / layout.blockSize, token = slot % layout.blockSize;
  T *keys = layout.keys(cache, block, head) + token;
  T *values = layout.values(cache, block, head) + token * layout.paddedHeadDim();
  for (uint64_t d = 0; d < layout.headDim; ++d)
    keys[d * layout.blockSize] = key[d];
  for (uint64_t d = 0; d < layout.headDim; ++d)
    values[d] = value[d];
}
