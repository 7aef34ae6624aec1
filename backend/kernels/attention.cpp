// attention: softmax(q k^T * scale) v over the paged KV cache, causal, with grouped query heads.
//
// A tile is a few query tokens of one KV head: their query heads are up to 16 rows that share every
// K and V read. The context is walked in chunks of up to 64 tokens, each row keeping a running
// maximum and sum ("online softmax"). Chunks begin at position 0 and a row's arithmetic never
// depends on the other rows: a token gets the same bits in a prefill, in any split of it, and in a
// decode step. Cache entries that a row may not see are never multiplied, not even by zero: they
// may hold anything, NaN too.
//
// Targets with AMX multiply bfloat16 on tiles, up to 32 rows at a time, in prefill and in decode;
// weights are rounded to bfloat16 for that. A row's weights of tokens that it may not see are
// zeros, and what lies behind the last token that any row sees is taken for zeros.
//
// S is what the softmax computes in. In float32 the queries are scaled before the products and
// nothing is rounded but the result. In T, the element type, the products are rounded, then scaled;
// scores, differences, weights, corrections and at the end the total are rounded; sums over a chunk
// and from chunk to chunk stay float32.
#include "support/attention_rows.h"
#include "support/attention_tiles.h"
#include "support/kernel.h"
#include "support/math.h"

namespace {

/// The query rows of a tile and what has been accumulated for them; row r's vectors are at r *
/// paddedHeadDim.
struct RowState {
  alignas(64) float query[maxRows * maxHeadDim];
  alignas(64) float sums[maxRows * maxHeadDim];
  float maximum[maxRows], total[maxRows];
  Visible visible;
};

/// weights[row][token] = q . k for `Rows` rows and `Vectors` * 16 tokens; fetches as many lines of
/// `next`.
template <int Rows, int Vectors, typename T>
void scoreTokens(float *weights, const float *query, const T *keys, const T *next,
                 const Geometry &g) {
  constexpr uint64_t pair = pairSize<T>;
  const uint64_t stride = g.kv.paddedHeadDim();
  Floats scores[Rows][Vectors];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    scores[i / Vectors][i % Vectors] = splat(0.0f);
#pragma clang loop unroll_count(2)
  for (uint64_t d = 0; d < g.kv.headDim; d += pair) {
#pragma clang loop unroll(full)
    for (int v = 0; v < Vectors; ++v) {
      __builtin_prefetch(next + (uint64_t(v) * stride + d) * lanes);
      const KvLine<T> line = loadLine(keys + (uint64_t(v) * stride + d) * lanes);
#pragma clang loop unroll(full)
      for (uint64_t i = 0; i < pair; ++i)
        if (d + i < g.kv.headDim)
#pragma clang loop unroll(full)
          for (int r = 0; r < Rows; ++r)
            scores[r][v] = fma(splat(query[r * stride + d + i]), line.values[i], scores[r][v]);
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
/// tokens in order; fetches as many lines of `next`.
template <int Rows, int Vectors, typename T>
void sumValues(float *sums, const float *weights, const float *corrections, const int64_t *counts,
               const T *values, const T *next, const Geometry &g) {
  constexpr int64_t pair = pairSize<T>;
  const uint64_t stride = g.kv.paddedHeadDim();
  Floats sum[Rows][Vectors];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    sum[i / Vectors][i % Vectors] =
        load(sums + i / Vectors * stride + i % Vectors * lanes) * corrections[i / Vectors];
  const int64_t whole = counts[0] / pair * pair; // of the tokens that all rows see
  for (int64_t token = 0; token < whole; token += pair) {
#pragma clang loop unroll(full)
    for (int v = 0; v < Vectors; ++v) {
      const uint64_t at = uint64_t(token) * stride + uint64_t(v * pair) * lanes;
      __builtin_prefetch(next + at);
      const KvLine<T> line = loadLine(values + at);
#pragma clang loop unroll(full)
      for (int64_t i = 0; i < pair; ++i)
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; ++r)
          sum[r][v] = fma(splat(weights[r * maxChunk + token + i]), line.values[i], sum[r][v]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
    for (int64_t own = whole; own < counts[r]; ++own) // the rest, and what only later rows see
#pragma clang loop unroll(full)
      for (int v = 0; v < Vectors; ++v) {
        const KvLine<T> line =
            loadLine(values + uint64_t(own / pair * pair) * stride + uint64_t(v * pair) * lanes);
        sum[r][v] = fma(splat(weights[r * maxChunk + own]), line.values[own % pair], sum[r][v]);
      }
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Vectors; ++i)
    store(sums + i / Vectors * stride + i % Vectors * lanes, sum[i / Vectors][i % Vectors]);
}

/// One chunk of the context, from `start` on, for rows `first` .. `first` + Rows.
template <typename S, int Rows, typename T>
void attendChunk(RowState &rows, uint64_t first, int64_t start, const Chunk<T> &c,
                 const Geometry &g) {
  const uint64_t stride = g.kv.paddedHeadDim(), chunk = g.chunk();
  alignas(64) float weights[Rows * maxChunk];
  const float *query = rows.query + first * stride;
  if (vinciVectorBytes == 64 && chunk == 64)
    scoreTokens<Rows, 4>(weights, query, c.keys, c.values, g);
  else
    for (uint64_t i = 0; i < chunk; i += lanes)
      scoreTokens<Rows, 1>(weights + i, query, c.keys + i * stride, c.values + i * stride, g);

  float corrections[Rows];
  int64_t counts[Rows];
  for (int r = 0; r < Rows; ++r) {
    counts[r] = rows.visible.of(first + uint64_t(r), start, chunk);
    corrections[r] =
        softmaxChunk<S>(weights + r * maxChunk, rows, first + r, counts[r], chunk, g.scale);
  }
  float *sums = rows.sums + first * stride;
  uint64_t d = 0;
  for (; vinciVectorBytes == 64 && d + 4 * lanes <= stride; d += 4 * lanes)
    sumValues<Rows, 4>(sums + d, weights, corrections, counts, c.values + d * pairSize<T>,
                       c.nextKeys + d * pairSize<T>, g);
  for (; d < stride; d += lanes)
    sumValues<Rows, 1>(sums + d, weights, corrections, counts, c.values + d * pairSize<T>,
                       c.nextKeys + d * pairSize<T>, g);
}

/// The whole context for `count` rows.
template <typename S, typename T>
void attendRows(RowState &rows, uint64_t count, const T *cache, uint64_t head,
                const int32_t *blocks, const Geometry &g) {
  const int64_t end = rows.visible.tokens[count - 1];
  for (int64_t start = 0; start < end; start += int64_t(g.chunk())) {
    const Chunk<T> chunk = chunkAt(start, end, cache, head, blocks, g);
    uint64_t row = 0;
    for (; row + 4 <= count; row += 4)
      attendChunk<S, 4>(rows, row, start, chunk, g);
    for (; row + 2 <= count; row += 2)
      attendChunk<S, 2>(rows, row, start, chunk, g);
    for (; row < count; ++row)
      attendChunk<S, 1>(rows, row, start, chunk, g);
  }
}

/// The rows of query tokens from `begin` on, for KV head `head`. All are of the sequence that has
/// `context` tokens, of which the last is token `sequenceEnd` - 1 of the step.
struct QueryRows {
  uint64_t begin, sequenceEnd, head;
  int64_t context;
  const int32_t *blocks;

  uint64_t token(uint64_t row, const Geometry &g) const { return begin + row / g.group; }
  /// Where the row is in q and out.
  uint64_t element(uint64_t row, const Geometry &g) const {
    return (token(row, g) * g.heads + head * g.group + row % g.group) * g.kv.headDim;
  }
  /// The tokens that `count` rows from `first` on see.
  void fill(Visible &visible, uint64_t first, uint64_t count, const Geometry &g) const {
    const int64_t limit = int64_t(g.maxBlocks * g.kv.blockSize);
    for (uint64_t row = 0; row < count; ++row) {
      const int64_t position = context - int64_t(sequenceEnd - token(first + row, g));
      visible.tokens[row] = position + 1 < limit ? position + 1 : limit;
    }
  }
};

/// Up to maxRows rows from `first` on.
template <typename S, typename T>
void attend(T *out, const T *q, const T *cache, const QueryRows &query, uint64_t first,
            uint64_t count, const Geometry &g) {
  const uint64_t headDim = g.kv.headDim, stride = g.kv.paddedHeadDim();
  RowState rows;
  query.fill(rows.visible, first, count, g);
  for (uint64_t row = 0; row < count; ++row) {
    forLanes(headDim, [&](uint64_t d, uint64_t n) {
      store(rows.query + row * stride + d,
            scaledQuery<S>(loadUpTo(q + query.element(first + row, g) + d, n), g.scale));
      store(rows.sums + row * stride + d, splat(0.0f));
    });
    rows.maximum[row] = -__builtin_inff();
    rows.total[row] = 0.0f;
  }
  attendRows<S>(rows, count, cache, query.head, query.blocks, g);
  for (uint64_t row = 0; row < count; ++row) {
    const float total = roundTo<S>(rows.total[row]);
    forLanes(headDim, [&](uint64_t d, uint64_t n) {
      storeUpTo(out + query.element(first + row, g) + d, load(rows.sums + row * stride + d) / total,
                n);
    });
  }
}

/// The same on tiles; heads are whole vectors.
template <typename S>
void attendWithTiles(BFloat16 *out, const BFloat16 *q, const BFloat16 *cache,
                     const QueryRows &query, uint64_t first, uint64_t count, const Geometry &g) {
  const uint64_t headDim = g.kv.headDim;
  TileRows rows;
  query.fill(rows.visible, first, count, g);
  for (uint64_t row = 0; row < count; ++row)
    copyRow(rows.query + row * headDim, q + query.element(first + row, g), headDim);
  attendOnTiles<S>(rows, count, cache, query.head, query.blocks, g);
  for (uint64_t row = 0; row < count; ++row) {
    // A division takes as long as the products of 16 tokens.
    const float share = 1.0f / roundTo<S>(sumLanes(load(rows.totals + row * lanes)));
    for (uint64_t d = 0; d < headDim; d += lanes)
      store(out + query.element(first + row, g) + d, load(rows.sums + row * headDim + d) * share);
  }
}

/// The row block of a tile, early and late ones in turn: later tokens see more, and workers take
/// runs of tiles.
inline uint32_t balancedTile(uint32_t tile, const uint64_t *dims, VINCI_TILES) {
  const uint64_t blocks = (dims[symbol] * scale + rowBlock - 1) / rowBlock;
  const uint64_t at = tile / columns, block = at % 2 == 0 ? at / 2 : blocks - 1 - at / 2;
  return uint32_t(block * columns + tile % columns);
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
    const QueryRows query{token, sequenceEnd, t.column, contextLens[sequence],
                          blockTables + sequence * g.maxBlocks};
    const bool onTiles = isBFloat16<T> && vinciHasAmx && fitsTiles(g);
    const uint64_t rows = (end - token) * g.group, most = onTiles ? blockRows : maxRows;
    for (uint64_t first = 0; first < rows; first += most) {
      const uint64_t count = rows - first < most ? rows - first : most;
      if constexpr (isBFloat16<T>)
        if (onTiles) {
          attendWithTiles<S>(out, q, cache, query, first, count, g);
          continue;
        }
      attend<S>(out, q, cache, query, first, count, g);
    }
    token = end;
  }
}

} // namespace

#define ATTENTION(T, name, S, softmax)                                                             \
  extern "C" void vinci_attention_##name##_##softmax(                                              \
      VINCI_COMMAND, uint64_t heads, uint64_t kvHeads, uint64_t headDim, uint64_t blockSize,       \
      uint64_t maxBlocks, double attentionScale, VINCI_TILES) {                                    \
    attention<S>(tileOf(dims, balancedTile(tile, dims, symbol, scale, rowBlock, columns), symbol,  \
                        scale, rowBlock, columns),                                                 \
                 output<T>(buffers, 0), input<T>(buffers, 1), input<T>(buffers, 2),                \
                 input<int32_t>(buffers, 3), input<int32_t>(buffers, 4),                           \
                 input<int32_t>(buffers, 5), dims[VINCI_DIM_SEQUENCES],                            \
                 Geometry{heads, heads / kvHeads, KvLayout{kvHeads, headDim, blockSize},           \
                          maxBlocks, float(attentionScale)});                                      \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(ATTENTION)
