// Attention of bfloat16 on AMX: blocks of one or two row tiles of queries, in prefill and in
// decode.
//
// A chunk is two products with a softmax between: scores = q . K into memory, weights from there as
// bfloat16, and sums += weights . V into what has been summed so far. Two row tiles share each K
// and V that is read, and the scores of the next chunk are multiplied while the weights of this one
// are computed, a few rows after each step of the products. Weights are powers of two. A row's
// weights of tokens that it may not see are zeros, and what lies behind the last token that any row
// sees is taken for zeros.
//
// A row goes through the same arithmetic in a block of either kind.
#pragma once

#include "support/amx.h"
#include "support/attention_rows.h"
#include "support/math.h"

constexpr uint64_t tileTokens = 32; ///< of a tile of weights
constexpr uint64_t blockRows = 2 * tileRows;

/// Whether heads and blocks are made of whole tiles.
inline bool fitsTiles(const Geometry &g) {
  return g.kv.headDim % 32 == 0 && g.kv.blockSize % tileTokens == 0;
}

/// The rows of a block; row r of `query`, which is as it was given, and of `sums` is at r *
/// headDim.
struct TileRows {
  alignas(64) BFloat16 query[blockRows * maxHeadDim];
  alignas(64) float sums[blockRows * maxHeadDim];
  alignas(64) float maximum[blockRows];        ///< of the scores, as Weighing::score gives them
  alignas(64) float corrections[blockRows];    ///< for what the earlier chunks have given
  alignas(64) float totals[blockRows * lanes]; ///< sums of weights, one for each lane
  alignas(64) float scores[2][blockRows * maxChunk]; ///< of a chunk and of the one after it
  alignas(64) BFloat16 weights[blockRows * maxChunk];
  alignas(64) BFloat16 values[maxChunk * maxHeadDim]; ///< V of the last chunk, its end zeroed
  Visible visible;
};

namespace detail {

/// Fetches 16 lines that are `stride` bytes apart; not for two row tiles, which take so long over a
/// chunk that the processor fetches the next one by itself.
template <int RowTiles> inline void fetchTile(const char *from, uint64_t stride) {
  if (RowTiles == 1)
#pragma clang loop unroll(full)
    for (uint64_t line = 0; line < 16; ++line)
      __builtin_prefetch(from + line * stride);
}

/// scores[row][token] = q . k for a chunk; nothing where it has no keys. Calls between(step, steps)
/// after each step of the products, with or without them. Fetches V.
template <int RowTiles, typename Between>
VINCI_AMX inline void scoreOnTiles(const BFloat16 *query, float *scores, const Chunk<BFloat16> &c,
                                   const Geometry &g, Between between) {
  constexpr uint64_t groupsAtOnce = RowTiles == 2 ? 2 : 4; // of 16 tokens: four tiles of scores
  const uint64_t groupBytes = g.kv.headDim * lanes * sizeof(BFloat16); // of K of 16 tokens
  const uint64_t queryBytes = g.kv.headDim * sizeof(BFloat16);
  const uint64_t groups = g.chunk() / lanes, depth = g.kv.headDim / 32;
  const uint64_t passes = (groups + groupsAtOnce - 1) / groupsAtOnce;
  const bool four = RowTiles == 2 || groups >= 4;
  const BFloat16 *type = nullptr;
#pragma clang loop unroll(disable)
  for (uint64_t pass = 0; pass < passes; ++pass) {
    if (c.keys) {
      zeroTile<0>();
      zeroTile<1>();
      zeroTile<2>();
      zeroTile<3>();
    }
    const char *k = (const char *)c.keys + pass * groupsAtOnce * groupBytes;
    const char *v = (const char *)c.values + pass * groupsAtOnce * groupBytes;
#pragma clang loop unroll(disable)
    for (uint64_t d = 0; d < depth; ++d, k += tileBytes, v += groupsAtOnce * tileBytes) {
      if (c.keys) {
        loadTile<4>(query + d * 32, queryBytes);
        fetchTile<RowTiles>(v, tileRowBytes);
        loadTile<6>(k, tileRowBytes);
        multiplyTiles<0, 4, 6>(type);
        fetchTile<RowTiles>(v + tileBytes, tileRowBytes);
        loadTile<7>(k + groupBytes, tileRowBytes);
        multiplyTiles<1, 4, 7>(type);
        if (RowTiles == 2) {
          loadTile<5>(query + tileRows * g.kv.headDim + d * 32, queryBytes);
          multiplyTiles<2, 5, 6>(type);
          multiplyTiles<3, 5, 7>(type);
        } else if (four) {
          fetchTile<RowTiles>(v + 2 * tileBytes, tileRowBytes);
          loadTile<6>(k + 2 * groupBytes, tileRowBytes);
          multiplyTiles<2, 4, 6>(type);
          fetchTile<RowTiles>(v + 3 * tileBytes, tileRowBytes);
          loadTile<7>(k + 3 * groupBytes, tileRowBytes);
          multiplyTiles<3, 4, 7>(type);
        }
      }
      between(pass * depth + d, passes * depth);
    }
    if (c.keys) {
      constexpr uint64_t stride = maxChunk * sizeof(float);
      float *to = scores + pass * groupsAtOnce * lanes;
      float *third = RowTiles == 2 ? to + tileRows * maxChunk : to + 2 * lanes;
      storeTile<0>(to, stride);
      storeTile<1>(to + lanes, stride);
      if (four) {
        storeTile<2>(third, stride);
        storeTile<3>(third + lanes, stride);
      }
    }
  }
}

/// 2^x within 3e-6, which is nothing beside the rounding to bfloat16, and 1 for 0; below -126 a
/// number below 2^-125.
inline Floats powerOfTwo(Floats x) {
  constexpr float toWhole = 12582912.0f; // 1.5 * 2^23: what is added to it is rounded
  x = select(x < -126.0f, splat(-126.0f), x);
  const Floats shifted = x + toWhole;
  const Floats rest = x - (shifted - toWhole); // minimax polynomial of 2^rest, |rest| <= 1/2
  Floats p = splat(9.58285372e-3f);
  p = fma(p, rest, splat(5.59064278e-2f));
  p = fma(p, rest, splat(2.40240986e-1f));
  p = fma(p, rest, splat(6.93124194e-1f));
  p = fma(p, rest, splat(1.0f));
  const Ints power = __builtin_bit_cast(Ints, shifted) << 23; // its low bits are the whole part
  return __builtin_bit_cast(Floats, __builtin_bit_cast(Ints, p) + power);
}

/// From the products of a chunk to weights. S is what the softmax computes in.
template <typename S> struct Weighing {
  TileRows &rows;
  const uint64_t count; ///< of rows
  const float *products;
  const int64_t start; ///< of the chunk
  const bool masked;   ///< some row does not see all of it
  const Geometry &g;

  static constexpr float log2e = 1.44269504f;
  static constexpr uint64_t unitsOfTile = 5;

  /// What is to be multiplied by factor() to be in units of log2.
  Floats score(uint64_t row, uint64_t token) const {
    const Floats scores = load(products + row * maxChunk + token);
    return isFloat32<S> ? scores : roundTo<S>(roundTo<S>(scores) * roundTo<S>(g.scale));
  }
  float factor() const { return isFloat32<S> ? g.scale * log2e : log2e; }

  Floats whereSeen(uint64_t row, uint64_t token, Floats seen, float otherwise) const {
    const int64_t visible = rows.visible.of(row, start, g.chunk());
    return masked
               ? select(laneNumbers() + int32_t(token) < int32_t(visible), seen, splat(otherwise))
               : seen;
  }

  /// Maxima and corrections of rows `first` .. `end`, at most 16.
  void raise(uint64_t first, uint64_t end) const {
    alignas(64) float maxima[lanes] = {};
#pragma clang loop unroll(disable)
    for (uint64_t row = first; row < end; ++row) {
      const float none = -__builtin_inff();
      Floats largest = splat(none);
#pragma clang loop unroll(full)
      for (uint64_t i = 0; i < g.chunk(); i += lanes)
        largest = __builtin_elementwise_max(largest, whereSeen(row, i, score(row, i), none));
      maxima[row - first] = maxLanes(largest);
    }
    const Floats before = load(rows.maximum + first);
    const Floats now = __builtin_elementwise_max(before, load(maxima));
    store(rows.corrections + first, roundTo<S>(powerOfTwo((before - now) * factor())));
    store(rows.maximum + first, now);
  }

  /// The weights of a row, and what the earlier chunks gave against its new maximum.
  void weigh(uint64_t row) const {
    const float correction = rows.corrections[row];
    const Floats offset = splat(-rows.maximum[row] * factor());
    Floats sum = load(rows.totals + row * lanes) * correction;
#pragma clang loop unroll(full)
    for (uint64_t i = 0; i < g.chunk(); i += lanes) {
      const Floats power = powerOfTwo(fma(score(row, i), splat(factor()), offset));
      const Floats weights = whereSeen(row, i, roundTo<S>(power), 0.0f);
      store(rows.weights + row * maxChunk + i, weights);
      sum = sum + weights;
    }
    store(rows.totals + row * lanes, sum);
    float *sums = rows.sums + row * g.kv.headDim;
    if (start != 0 && correction != 1.0f)
      for (uint64_t d = 0; d < g.kv.headDim; d += lanes)
        store(sums + d, load(sums + d) * correction);
  }

  uint64_t units() const {
    return (count + tileRows - 1) / tileRows * unitsOfTile;
  }

  /// One of the parts that the work consists of: the maxima of a tile of rows, or four rows of it.
  void unit(uint64_t index) const {
    const uint64_t first = index / unitsOfTile * tileRows, part = index % unitsOfTile;
    const uint64_t end = first + tileRows < count ? first + tileRows : count;
    if (part == 0)
      raise(first, end);
    else
#pragma clang loop unroll(disable)
      for (uint64_t row = first + (part - 1) * 4; row < first + part * 4 && row < end; ++row)
        weigh(row);
  }
};

/// sums[row][d] += weights . V of a chunk for `Tiles` * 16 dimensions; the first one's begin.
/// Fetches as many lines of `next`.
template <int RowTiles, int Tiles>
VINCI_AMX inline void sumOnTiles(float *sums, const BFloat16 *weights, const BFloat16 *values,
                                 const BFloat16 *next, bool begin, const Geometry &g) {
  const uint64_t stride = g.kv.headDim * 2 * sizeof(BFloat16); // from pair to pair of tokens
  const uint64_t rowBytes = g.kv.headDim * sizeof(float);
  constexpr uint64_t weightBytes = maxChunk * sizeof(BFloat16);
  constexpr bool four = RowTiles == 2 || Tiles == 4;
  float *third = RowTiles == 2 ? sums + tileRows * g.kv.headDim : sums + 2 * lanes;
  const BFloat16 *type = nullptr;
  if (begin) {
    zeroTile<0>();
    zeroTile<1>();
    zeroTile<2>();
    zeroTile<3>();
  } else {
    loadTile<0>(sums, rowBytes);
    loadTile<1>(sums + lanes, rowBytes);
    if (four) {
      loadTile<2>(third, rowBytes);
      loadTile<3>(third + lanes, rowBytes);
    }
  }
  const char *v = (const char *)values, *fetched = (const char *)next;
#pragma clang loop unroll(disable)
  for (uint64_t token = 0; token < g.chunk(); token += tileTokens) {
    loadTile<4>(weights + token, weightBytes);
#pragma clang loop unroll(full)
    for (uint64_t i = 0; i < Tiles; ++i)
      fetchTile<RowTiles>(fetched + i * tileRowBytes, stride);
    loadTile<6>(v, stride);
    multiplyTiles<0, 4, 6>(type);
    loadTile<7>(v + 64, stride);
    multiplyTiles<1, 4, 7>(type);
    if (RowTiles == 2) {
      loadTile<5>(weights + tileRows * maxChunk + token, weightBytes);
      multiplyTiles<2, 5, 6>(type);
      multiplyTiles<3, 5, 7>(type);
    } else if (four) {
      loadTile<6>(v + 128, stride);
      multiplyTiles<2, 4, 6>(type);
      loadTile<7>(v + 192, stride);
      multiplyTiles<3, 4, 7>(type);
    }
    v += 16 * stride;
    fetched += 16 * stride;
  }
  storeTile<0>(sums, rowBytes);
  storeTile<1>(sums + lanes, rowBytes);
  if (four) {
    storeTile<2>(third, rowBytes);
    storeTile<3>(third + lanes, rowBytes);
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

/// sums += weights . V of a chunk of which `left` tokens may be seen.
template <int RowTiles>
VINCI_AMX inline void sumChunk(TileRows &rows, const Chunk<BFloat16> &c, int64_t left, bool begin,
                               const Geometry &g) {
  const BFloat16 *values =
      left < int64_t(g.chunk()) ? zeroedBehind(rows.values, c.values, left, g) : c.values;
  constexpr uint64_t tiles = RowTiles == 2 ? 2 : 4;
  uint64_t d = 0;
  for (; d + tiles * lanes <= g.kv.headDim; d += tiles * lanes)
    sumOnTiles<RowTiles, tiles>(rows.sums + d, rows.weights, values + 2 * d, c.nextKeys + 2 * d,
                                begin, g);
  if (d < g.kv.headDim)
    sumOnTiles<RowTiles, 2>(rows.sums + d, rows.weights, values + 2 * d, c.nextKeys + 2 * d, begin,
                            g);
}

/// The whole context for the first `count` rows. Two row tiles multiply the scores of a chunk while
/// they weigh the one before it; one of them has less to hide than the first cache would have to
/// hold.
template <int RowTiles, typename S>
VINCI_AMX inline void attendBlock(TileRows &rows, uint64_t count, const BFloat16 *cache,
                                  uint64_t head, const int32_t *blocks, const Geometry &g) {
  constexpr bool ahead = RowTiles == 2;
  const int64_t chunk = int64_t(g.chunk()), end = rows.visible.tokens[count - 1];
  Chunk<BFloat16> weighed = {}, scored = {};
  for (int64_t start = ahead ? -chunk : 0; start < end; start += chunk, weighed = scored) {
    const int64_t scoredStart = ahead ? start + chunk : start;
    scored =
        scoredStart < end ? chunkAt(scoredStart, end, cache, head, blocks, g) : Chunk<BFloat16>{};
    if (!ahead)
      weighed = scored;
    const auto scoresOf = [&](int64_t of) { return rows.scores[of / chunk % 2]; };
    const bool masked = start >= 0 && rows.visible.of(0, start, g.chunk()) < chunk;
    const Weighing<S> weighing{rows, count, scoresOf(start), start, masked, g};
    const uint64_t units = start < 0 ? 0 : weighing.units();
    uint64_t done = 0;
    const auto weighUpTo = [&](uint64_t unit) {
      for (; done < unit; ++done)
        weighing.unit(done);
    };
    scoreOnTiles<RowTiles>(rows.query, scoresOf(scoredStart), scored, g,
                           [&](uint64_t step, uint64_t steps) {
                             if (ahead)
                               weighUpTo((step + 1) * units / steps);
                           });
    if (!ahead)
      weighUpTo(units);
    if (start >= 0)
      sumChunk<RowTiles>(rows, weighed, end - start, start == 0, g);
  }
}

} // namespace detail

/// The whole context for the first `count` rows, whose sums, maxima and totals it begins.
template <typename S>
VINCI_AMX inline void attendOnTiles(TileRows &rows, uint64_t count, const BFloat16 *cache,
                                    uint64_t head, const int32_t *blocks, const Geometry &g) {
  for (uint64_t row = 0; row < count; ++row)
    store(rows.totals + row * lanes, splat(0.0f));
  store(rows.maximum, splat(-__builtin_inff()));
  store(rows.maximum + tileRows, splat(-__builtin_inff()));
  if (count > tileRows) {
    // What fills the second tile is multiplied, too, and never looked at.
    configureTiles(tileRows);
    detail::attendBlock<2, S>(rows, count, cache, head, blocks, g);
  } else {
    configureTiles(count);
    detail::attendBlock<1, S>(rows, count, cache, head, blocks, g);
  }
  releaseTiles();
}
