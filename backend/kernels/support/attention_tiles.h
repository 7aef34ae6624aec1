// Attention of bfloat16 on AMX: up to 16 rows are one tile of queries, in prefill and in decode.
//
// A chunk is two products with a softmax between: scores = q . K into memory, weights from there as
// bfloat16, and sums += weights . V into what has been summed so far. Scores are kept in units of
// log2, so that a weight is a power of two. A row's weights of tokens that it may not see are
// zeros, and what lies behind the last token that any row sees is taken for zeros.
#pragma once

#include "support/amx.h"
#include "support/attention_rows.h"
#include "support/math.h"

constexpr uint64_t tileTokens = 32; ///< of a tile of weights

/// Whether heads and blocks are made of whole tiles.
inline bool fitsTiles(const Geometry &g) {
  return g.kv.headDim % 32 == 0 && g.kv.blockSize % tileTokens == 0;
}

/// The rows of a tile; row r of `query`, which is as it was given, and of `sums` is at r * headDim.
struct TileRows {
  alignas(64) BFloat16 query[maxRows * maxHeadDim];
  alignas(64) float sums[maxRows * maxHeadDim];
  alignas(64) float maximum[maxRows];
  alignas(64) float totals[maxRows * lanes]; ///< sums of weights, one for each lane
  alignas(64) float scores[maxRows * maxChunk];
  alignas(64) BFloat16 weights[maxRows * maxChunk];
  alignas(64) BFloat16 values[maxChunk * maxHeadDim]; ///< V of the last chunk, its end zeroed
  Visible visible;
};

namespace detail {

/// scores[row][token] = q . k for a chunk. Fetches `next`, as many lines as K has.
VINCI_AMX inline void scoreOnTiles(TileRows &rows, const BFloat16 *keys, const BFloat16 *next,
                                   const Geometry &g) {
  const uint64_t groupBytes = g.kv.headDim * lanes * sizeof(BFloat16); // of K of 16 tokens
  const bool four = g.chunk() == 64;
  const BFloat16 *type = nullptr;
  zeroTile<0>();
  zeroTile<1>();
  if (four) {
    zeroTile<2>();
    zeroTile<3>();
  }
  const char *k = (const char *)keys, *fetched = (const char *)next;
  const auto fetch = [&](uint64_t group) {
#pragma clang loop unroll(full)
    for (uint64_t line = 0; line < 16; ++line)
      __builtin_prefetch(fetched + group * groupBytes + line * 64);
  };
#pragma clang loop unroll(disable)
  for (uint64_t d = 0; d < g.kv.headDim; d += 32, k += tileBytes, fetched += tileBytes) {
    loadTile<4>(rows.query + d, g.kv.headDim * sizeof(BFloat16));
    fetch(0);
    loadTile<5>(k, tileRowBytes);
    multiplyTiles<0, 4, 5>(type);
    fetch(1);
    loadTile<6>(k + groupBytes, tileRowBytes);
    multiplyTiles<1, 4, 6>(type);
    if (four) {
      fetch(2);
      loadTile<7>(k + 2 * groupBytes, tileRowBytes);
      multiplyTiles<2, 4, 7>(type);
      fetch(3);
      loadTile<5>(k + 3 * groupBytes, tileRowBytes);
      multiplyTiles<3, 4, 5>(type);
    }
  }
  constexpr uint64_t stride = maxChunk * sizeof(float);
  storeTile<0>(rows.scores, stride);
  storeTile<1>(rows.scores + lanes, stride);
  if (four) {
    storeTile<2>(rows.scores + 2 * lanes, stride);
    storeTile<3>(rows.scores + 3 * lanes, stride);
  }
}

/// Scores of the first `count` tokens of a chunk in units of log2; the others are -infinity. S is
/// what the softmax computes in.
template <typename S>
inline Floats log2Scores(const float *products, uint64_t token, int64_t count, float scale) {
  constexpr float log2e = 1.44269504f;
  const Floats scores =
      isFloat32<S> ? load(products + token) * (scale * log2e)
                   : roundTo<S>(roundTo<S>(load(products + token)) * roundTo<S>(scale)) * log2e;
  return select(laneNumbers() + int32_t(token) < int32_t(count), scores, splat(-__builtin_inff()));
}

/// 2^x for x <= 0 within 3e-6, which is nothing beside the rounding to bfloat16; 0 below -126.
inline Floats powerOfTwo(Floats x) {
  const Floats whole = __builtin_elementwise_roundeven(x);
  const Floats rest = x - whole; // Taylor polynomial of 2^rest, |rest| <= 1/2
  Floats p = splat(1.33335581e-3f);
  p = fma(p, rest, splat(9.61812911e-3f));
  p = fma(p, rest, splat(5.55041087e-2f));
  p = fma(p, rest, splat(2.40226507e-1f));
  p = fma(p, rest, splat(6.93147182e-1f));
  p = fma(p, rest, splat(1.0f));
  const Ints power = __builtin_convertvector(select(x >= -126.0f, whole, splat(0.0f)), Ints);
  const Floats result = __builtin_bit_cast(Floats, __builtin_bit_cast(Ints, p) + (power << 23));
  return select(x >= -126.0f, result, splat(0.0f));
}

/// Turns products into weights against the new maximum of each row, and scales what its earlier
/// chunks have given.
template <typename S>
inline void weighChunk(TileRows &rows, uint64_t count, int64_t start, const Geometry &g) {
  const uint64_t chunk = g.chunk(), headDim = g.kv.headDim;
  alignas(64) float maxima[lanes] = {};
  for (uint64_t row = 0; row < count; ++row) {
    float *scores = rows.scores + row * maxChunk;
    const int64_t seen = rows.visible.of(row, start, chunk);
    Floats largest = splat(rows.maximum[row]);
#pragma clang loop unroll(full)
    for (uint64_t i = 0; i < chunk; i += lanes) {
      const Floats values = log2Scores<S>(scores, i, seen, g.scale);
      store(scores + i, values);
      largest = __builtin_elementwise_max(largest, values);
    }
    maxima[row] = maxLanes(largest);
  }
  const Floats now = load(maxima);
  alignas(64) float corrections[lanes];
  store(corrections, roundTo<S>(powerOfTwo(load(rows.maximum) - now)));
  store(rows.maximum, now);

  for (uint64_t row = 0; row < count; ++row) {
    const float *scores = rows.scores + row * maxChunk;
    Floats sum = load(rows.totals + row * lanes) * corrections[row];
#pragma clang loop unroll(full)
    for (uint64_t i = 0; i < chunk; i += lanes) {
      const Floats weights = roundTo<S>(powerOfTwo(load(scores + i) - maxima[row]));
      store(rows.weights + row * maxChunk + i, weights);
      sum = sum + weights;
    }
    store(rows.totals + row * lanes, sum);
    if (corrections[row] != 1.0f)
      for (uint64_t d = 0; d < headDim; d += lanes)
        store(rows.sums + row * headDim + d,
              load(rows.sums + row * headDim + d) * corrections[row]);
  }
}

/// sums[row][d] += weights . V for `Tiles` * 16 dimensions of a chunk. Fetches as many lines of
/// `next`.
template <int Tiles>
VINCI_AMX inline void sumOnTiles(float *sums, const BFloat16 *weights, const BFloat16 *values,
                                 const BFloat16 *next, const Geometry &g) {
  const uint64_t stride = g.kv.headDim * 2 * sizeof(BFloat16); // from pair to pair of tokens
  const uint64_t rowBytes = g.kv.headDim * sizeof(float);
  const BFloat16 *type = nullptr;
  loadTile<0>(sums, rowBytes);
  loadTile<1>(sums + lanes, rowBytes);
  if (Tiles == 4) {
    loadTile<2>(sums + 2 * lanes, rowBytes);
    loadTile<3>(sums + 3 * lanes, rowBytes);
  }
  const char *v = (const char *)values, *fetched = (const char *)next;
#pragma clang loop unroll(disable)
  for (uint64_t token = 0; token < g.chunk(); token += tileTokens) {
    loadTile<4>(weights + token, maxChunk * sizeof(BFloat16));
#pragma clang loop unroll(full)
    for (uint64_t line = 0; line < 16; ++line)
#pragma clang loop unroll(full)
      for (uint64_t i = 0; i < Tiles; ++i)
        __builtin_prefetch(fetched + line * stride + i * 64);
    loadTile<5>(v, stride);
    multiplyTiles<0, 4, 5>(type);
    loadTile<6>(v + 64, stride);
    multiplyTiles<1, 4, 6>(type);
    if (Tiles == 4) {
      loadTile<7>(v + 128, stride);
      multiplyTiles<2, 4, 7>(type);
      loadTile<5>(v + 192, stride);
      multiplyTiles<3, 4, 5>(type);
    }
    v += 16 * stride;
    fetched += 16 * stride;
  }
  storeTile<0>(sums, rowBytes);
  storeTile<1>(sums + lanes, rowBytes);
  if (Tiles == 4) {
    storeTile<2>(sums + 2 * lanes, rowBytes);
    storeTile<3>(sums + 3 * lanes, rowBytes);
  }
}

/// V of a chunk of which `count` tokens may be seen; the others may hold anything, and are zeros in
/// the copy.
inline const BFloat16 *zeroedBehind(BFloat16 *copy, const BFloat16 *values, int64_t count,
                                    const Geometry &g) {
  const uint64_t pairElements = 2 * g.kv.headDim;
  for (int64_t token = 0; token < int64_t(g.chunk()); token += 2) {
    const uint64_t at = uint64_t(token / 2) * pairElements;
    const Words seen = Words(token + 1 < count ? 0xffffffffu : token < count ? 0xffffu : 0u);
    for (uint64_t i = 0; i < pairElements; i += 2 * lanes)
      *(Words *)(copy + at + i) = *(const Words *)(values + at + i) & seen;
  }
  return copy;
}

} // namespace detail

/// The whole context for the first `count` rows, whose sums, maxima and totals it begins.
template <typename S>
VINCI_AMX inline void attendOnTiles(TileRows &rows, uint64_t count, const BFloat16 *cache,
                                    uint64_t head, const int32_t *blocks, const Geometry &g) {
  const uint64_t chunk = g.chunk(), headDim = g.kv.headDim;
  for (uint64_t i = 0; i < count * headDim; i += lanes)
    store(rows.sums + i, splat(0.0f));
  for (uint64_t row = 0; row < count; ++row)
    store(rows.totals + row * lanes, splat(0.0f));
  store(rows.maximum, splat(-__builtin_inff()));
  configureTiles(count);
  const int64_t end = rows.visible.tokens[count - 1];
  for (int64_t start = 0; start < end; start += int64_t(chunk)) {
    const Chunk<BFloat16> c = chunkAt(start, end, cache, head, blocks, g);
    detail::scoreOnTiles(rows, c.keys, c.values, g);
    detail::weighChunk<S>(rows, count, start, g);
    const BFloat16 *values = end - start < int64_t(chunk)
                                 ? detail::zeroedBehind(rows.values, c.values, end - start, g)
                                 : c.values;
    uint64_t d = 0;
    for (; d + 4 * lanes <= headDim; d += 4 * lanes)
      detail::sumOnTiles<4>(rows.sums + d, rows.weights, values + 2 * d, c.nextKeys + 2 * d, g);
    if (d < headDim)
      detail::sumOnTiles<2>(rows.sums + d, rows.weights, values + 2 * d, c.nextKeys + 2 * d, g);
  }
  releaseTiles();
}
