// What the ways to attend share: the shape, the rows of a tile and the chunks of their context.
#pragma once

#include "support/kernel.h"
#include "support/kv_block.h"

constexpr uint64_t maxRows = 16;
constexpr uint64_t maxHeadDim = 512; // the catalogue's limit
constexpr uint64_t maxChunk = 64;

struct Geometry {
  uint64_t heads, group;
  KvLayout kv;
  uint64_t maxBlocks;
  float scale;

  /// Tokens of a chunk: the most that divide a block.
  uint64_t chunk() const { return kv.blockSize % 64 == 0 ? 64 : kv.blockSize % 32 == 0 ? 32 : 16; }
};

/// Per row of a tile or of a block of two: how many tokens of the context it sees. Never falls from
/// row to row.
struct Visible {
  int64_t tokens[2 * maxRows];

  /// Of the `chunk` tokens from `start` on.
  int64_t of(uint64_t row, int64_t start, uint64_t chunk) const {
    const int64_t left = tokens[row] - start;
    return left < 0 ? 0 : left > int64_t(chunk) ? int64_t(chunk) : left;
  }
};

/// K and V of a chunk, and K of the one after it; of the last one, its own.
template <typename T> struct Chunk { const T *keys, *values, *nextKeys; };

/// The chunk that begins at `start` of a context of `end` tokens.
template <typename T>
Chunk<T> chunkAt(int64_t start, int64_t end, const T *cache, uint64_t head, const int32_t *blocks,
                 const Geometry &g) {
  const auto place = [&](uint64_t token) {
    return g.kv.keys(cache, uint64_t(blocks[token / g.kv.blockSize]), head) +
           token % g.kv.blockSize * g.kv.paddedHeadDim();
  };
  const int64_t after = start + int64_t(g.chunk());
  const T *keys = place(uint64_t(start));
  return {keys, keys + g.kv.matrixElements(), after < end ? place(uint64_t(after)) : keys};
}
