// attention: softmax(q k^T * scale) v over the paged KV cache, causal, with grouped query heads.
//
// A tile is a few query tokens of one KV head: their query heads are up to 16 rows that share every
// K and V read. The context is walked in chunks of up to 64 tokens, each row keeping a running
// maximum and sum ("online softmax"). Chunks begin at position 0 and a row's arithmetic never
// depends on the other rows: a token gets the same bits in a prefill, in any split of it, and in a
// decode step. Cache entries that a row may not see are never multiplied, not even by zero: they
// may hold anything, NaN too.
//
// S is what the softmax computes in. In float32 the queries are scaled before the products and
// nothing is rounded but the result. In T, the element type, the products are rounded, then scaled;
// scores, differences, weights, corrections and at the end the total are rounded; sums over a chunk
// and from chunk to chunk stay float32.
#include "support/kernel.h"
#include "support/kv_block.h"
#include "support/math.h"

namespace {

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

/// The query rows of a tile and what has been accumulated for them; row r's vectors are at r *
/// paddedHeadDim.
struct RowState {
  alignas(64) float query[maxRows * maxHeadDim];
  alignas(64) float sums[maxRows * maxHeadDim];
  float maximum[maxRows], total[maxRows];
  int64_t
      visible[maxRows]; ///< tokens of the context that the row sees; never falls from row to row
};

/// weights[row][token] = q . k for `Rows` rows and `Vectors` * 16 tokens.
template <int Rows, int Vectors, typename T>
void scoreTokens(float *weights, const float *query, const T *keys, const T *values,
                 const Geometry &g) {
  Floats scores[Rows][Vectors];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    scores[i / Vectors][i % Vectors] = splat(0.0f);
#pragma clang loop unroll_count(2)
  for (uint64_t d = 0; d < g.kv.headDim; ++d) {
    // The values of these tokens are needed next, and are as many.
    for (uint64_t byte = 0; byte < Vectors * lanes * sizeof(T); byte += 64)
      __builtin_prefetch((const char *)(values + d * Vectors * lanes) + byte);
#pragma clang loop unroll(full)
    for (int v = 0; v < Vectors; ++v) {
      const Floats k = load(keys + d * g.kv.blockSize + v * lanes);
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        scores[r][v] = fma(splat(query[r * g.kv.paddedHeadDim() + d]), k, scores[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    store(weights + i / Vectors * maxChunk + i % Vectors * lanes, scores[i / Vectors][i % Vectors]);
}

/// The scores of products with a query that scaledQuery made.
template <typename S> Floats scoreOf(Floats products, float scale) {
  return isFloat32<S> ? products : roundTo<S>(roundTo<S>(products) * roundTo<S>(scale));
}
template <typename S> Floats scaledQuery(Floats query, float scale) {
  return isFloat32<S> ? query * scale : query;
}

/// Turns the products of one row into softmax weights against its new maximum. Returns what its
/// earlier sums have to be multiplied with.
template <typename S>
float softmaxChunk(float *weights, RowState &rows, uint64_t row, int64_t count, uint64_t chunk,
                   float scale) {
  const Floats hidden = splat(-__builtin_inff());
  Floats largest = hidden;
  for (uint64_t i = 0; i < chunk; i += lanes) {
    const Floats scores = select(laneNumbers() + int32_t(i) < int32_t(count),
                                 scoreOf<S>(load(weights + i), scale), hidden);
    store(weights + i, scores);
    largest = __builtin_elementwise_max(largest, scores);
  }
  const float before = rows.maximum[row];
  const float chunkMaximum = maxLanes(largest);
  const float now = chunkMaximum > before ? chunkMaximum : before;
  Floats sum = splat(0.0f);
  for (uint64_t i = 0; i < chunk; i += lanes) {
    const Floats weight = roundTo<S>(exp(roundTo<S>(load(weights + i) - now)));
    store(weights + i, weight);
    sum = sum + weight;
  }
  const float correction = roundTo<S>(exp(roundTo<S>(splat(before - now)))).x;
  rows.maximum[row] = now;
  rows.total[row] = rows.total[row] * correction + sumLanes(sum);
  return correction;
}

/// sums[row][d] = sums * correction + weights . V for `Vectors` * 16 dimensions of `Rows` rows,
/// tokens in order.
template <int Rows, int Vectors, typename T>
void sumValues(float *sums, const float *weights, const float *corrections, const int64_t *counts,
               const T *values, const Geometry &g) {
  const uint64_t stride = g.kv.paddedHeadDim();
  Floats sum[Rows][Vectors];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    sum[i / Vectors][i % Vectors] =
        load(sums + i / Vectors * stride + i % Vectors * lanes) * corrections[i / Vectors];
  int64_t token = 0;
  for (; token < counts[0]; ++token) { // the tokens that all rows see
#pragma clang loop unroll(full)
    for (int v = 0; v < Vectors; ++v) {
      const Floats value = load(values + uint64_t(token) * stride + v * lanes);
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        sum[r][v] = fma(splat(weights[r * maxChunk + token]), value, sum[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
    for (int64_t own = token; own < counts[r]; ++own) // those that only later rows see
#pragma clang loop unroll(full)
      for (int v = 0; v < Vectors; ++v)
        sum[r][v] = fma(splat(weights[r * maxChunk + own]),
                        load(values + uint64_t(own) * stride + v * lanes), sum[r][v]);
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    store(sums + i / Vectors * stride + i % Vectors * lanes, sum[i / Vectors][i % Vectors]);
}

/// One chunk of the context, from `start` on, for rows `first` .. `first` + Rows.
template <typename S, int Rows, typename T>
void attendChunk(RowState &rows, uint64_t first, int64_t start, const T *keys, const T *values,
                 const Geometry &g) {
  const uint64_t stride = g.kv.paddedHeadDim(), chunk = g.chunk();
  alignas(64) float weights[Rows * maxChunk];
  const float *query = rows.query + first * stride;
  if (vinciVectorBytes == 64 && chunk == 64)
    scoreTokens<Rows, 4>(weights, query, keys, values, g);
  else
    for (uint64_t i = 0; i < chunk; i += lanes)
      scoreTokens<Rows, 1>(weights + i, query, keys + i, values + i * stride, g);

  float corrections[Rows];
  int64_t counts[Rows];
  for (int r = 0; r < Rows; ++r) {
    const int64_t left = rows.visible[first + r] - start;
    counts[r] = left < 0 ? 0 : left > int64_t(chunk) ? int64_t(chunk) : left;
    corrections[r] =
        softmaxChunk<S>(weights + r * maxChunk, rows, first + r, counts[r], chunk, g.scale);
  }
  float *sums = rows.sums + first * stride;
  uint64_t d = 0;
  for (; vinciVectorBytes == 64 && d + 4 * lanes <= stride; d += 4 * lanes)
    sumValues<Rows, 4>(sums + d, weights, corrections, counts, values + d, g);
  for (; d < stride; d += lanes)
    sumValues<Rows, 1>(sums + d, weights, corrections, counts, values + d, g);
}

/// The whole context for `count` rows.
template <typename S, typename T>
void attendRows(RowState &rows, uint64_t count, const T *cache, uint64_t head,
                const int32_t *blocks, const Geometry &g) {
  const uint64_t chunk = g.chunk();
  for (int64_t start = 0; start < rows.visible[count - 1]; start += int64_t(chunk)) {
    const uint64_t block = uint64_t(blocks[uint64_t(start) / g.kv.blockSize]);
    const uint64_t offset = uint64_t(start) % g.kv.blockSize;
    const T *keys = g.kv.keys(cache, block, head) + offset;
    const T *values = g.kv.values(cache, block, head) + offset * g.kv.paddedHeadDim();
    uint64_t row = 0;
    for (; row + 4 <= count; row += 4)
      attendChunk<S, 4>(rows, row, start, keys, values, g);
    for (; row + 2 <= count; row += 2)
      attendChunk<S, 2>(rows, row, start, keys, values, g);
    for (; row < count; ++row)
      attendChunk<S, 1>(rows, row, start, keys, values, g);
  }
}

/// Query tokens begin..end, all of the sequence whose last token is `sequenceEnd` - 1, for KV head
/// `head`.
template <typename S, typename T>
void attendTokens(T *out, const T *q, const T *cache, uint64_t begin, uint64_t end,
                  uint64_t sequenceEnd, int64_t context, const int32_t *blocks, uint64_t head,
                  const Geometry &g) {
  const uint64_t rowCount = (end - begin) * g.group, headDim = g.kv.headDim;
  const uint64_t stride = g.kv.paddedHeadDim();
  const int64_t limit = int64_t(g.maxBlocks * g.kv.blockSize);
  RowState rows;
  for (uint64_t first = 0; first < rowCount; first += maxRows) {
    const uint64_t count = rowCount - first < maxRows ? rowCount - first : maxRows;
    const auto element = [&](uint64_t row) {
      const uint64_t token = begin + (first + row) / g.group;
      return (token * g.heads + head * g.group + (first + row) % g.group) * headDim;
    };
    for (uint64_t row = 0; row < count; ++row) {
      forLanes(headDim, [&](uint64_t d, uint64_t n) {
        store(rows.query + row * stride + d,
              scaledQuery<S>(loadUpTo(q + element(row) + d, n), g.scale));
        store(rows.sums + row * stride + d, splat(0.0f));
      });
      rows.maximum[row] = -__builtin_inff();
      rows.total[row] = 0.0f;
      const int64_t position = context - int64_t(sequenceEnd - (begin + (first + row) / g.group));
      rows.visible[row] = position + 1 < limit ? position + 1 : limit;
    }
    attendRows<S>(rows, count, cache, head, blocks, g);
    for (uint64_t row = 0; row < count; ++row) {
      if (!isFloat32<S>)
        rows.total[row] = roundTo<S>(rows.total[row]);
      forLanes(headDim, [&](uint64_t d, uint64_t n) {
        storeUpTo(out + element(row) + d, load(rows.sums + row * stride + d) / rows.total[row], n);
      });
    }
  }
}

template <typename S, typename T>
void attention(const Tile &t, T *out, const T *q, const T *cache, const int32_t *queryStart,
               const int32_t *contextLens, const int32_t *blockTables, uint64_t sequences,
               const Geometry &g) {
  uint64_t sequence = 0;
  for (uint64_t token = t.rowBegin; token < t.rowEnd;) {
    while (sequence + 1 < sequences && uint64_t(queryStart[sequence + 1]) <= token)
      ++sequence;
    const uint64_t sequenceEnd = uint64_t(queryStart[sequence + 1]);
    const uint64_t end = sequenceEnd > token && sequenceEnd < t.rowEnd ? sequenceEnd : t.rowEnd;
    attendTokens<S>(out, q, cache, token, end, sequenceEnd, contextLens[sequence],
                    blockTables + sequence * g.maxBlocks, t.column, g);
    token = end;
  }
}

} // namespace

#define ATTENTION(T, name, S, softmax)                                                             \
  extern "C" void vinci_attention_##name##_##softmax(                                              \
      VINCI_COMMAND, uint64_t heads, uint64_t kvHeads, uint64_t headDim, uint64_t blockSize,       \
      uint64_t maxBlocks, double attentionScale, VINCI_TILES) {                                    \
    attention<S>(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),      \
                 input<T>(buffers, 1), input<T>(buffers, 2), input<int32_t>(buffers, 3),           \
                 input<int32_t>(buffers, 4), input<int32_t>(buffers, 5),                           \
                 dims[VINCI_DIM_SEQUENCES],                                                        \
                 Geometry{heads, heads / kvHeads, KvLayout{kvHeads, headDim, blockSize},           \
                          maxBlocks, float(attentionScale)});                                      \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(ATTENTION)
