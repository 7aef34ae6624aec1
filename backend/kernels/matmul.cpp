// matmul and grouped_matmul: out = x * w^T (+ bias), w packed as Panel32; grouped_matmul_swiglu:
// gate and up of an expert, and what is made of them.
//
// An output is one chain of fused multiply-adds over k = 0, 1, 2, .. in float32, whatever the
// register blocking: so it does not depend on how many rows are computed with it. What the blocking
// changes is speed only. Few rows read the weights at memory speed, two panels ("streams") at once
// and prefetched; many rows share each weight that was loaded and widened.
//
// bfloat16 weights are Panel12: a few rows take support/few_rows.h, more rows expand weights first.
// It has faster ways where the target has the instructions: support/amx_product.h and
// support/dot_product.h, whose chains are over pairs of k.
#include "support/activation.h"
#include "support/amx_product.h"
#include "support/dot_product.h"
#include "support/few_rows.h"
#include "support/kernel.h"
#include "support/panels.h"
#include "support/widened_product.h"

namespace {

/// k-values that are multiplied at a time: the weights of a panel pair, 16 KiB to 64 KiB, then stay
/// close for all rows.
constexpr uint64_t chunk = 256;
/// Rows and columns whose sums are kept while the chunks go by.
constexpr uint64_t slabRows = 96, slabColumns = 64;
/// Bytes that are prefetched ahead in each panel: what one stream needs to come at the speed of
/// memory where all 16-column tiles are read at once, or a panel from front to back; and where one
/// tile is read after the other, which is a KiB of every two.
constexpr uint64_t streamAhead = 1024, tileAhead = 4096;

/// Rows of x one after the other.
template <typename T> struct DenseRows {
  const T *x;
  uint64_t k;
  const T *operator()(uint64_t row) const { return x + row * k; }
};

/// Rows of x by the pair of token and choice that stands at each place.
template <typename T> struct GatheredRows {
  const T *x;
  const int32_t *rowOf;
  uint64_t topK, k;
  const T *operator()(uint64_t row) const { return x + uint64_t(rowOf[row]) / topK * k; }
};

/// A product whose row r of x is source(r).
template <typename T, typename Source> struct Product {
  Source source;
  const T *weights;
  uint64_t n, k;
};

/// The weights of a panel pair from a k-value on, in memory as Panel32.
template <typename T> struct PanelPair {
  const T *begin;
  uint64_t stride;                                ///< elements from a panel to the next
  uint64_t left;                                  ///< k-values until the end of the panel
  static constexpr bool isCached = isBFloat16<T>; ///< expanded just now
};

/// sums[row][column] += x * w over `length` k-values, for `Rows` rows and `Tiles` * 16 columns from
/// tile `tile` of the pair on; with two tiles or more, that is the first tile of a panel.
template <int Rows, int Tiles, typename T>
void addProducts(float *sums, const float (*x)[chunk], const PanelPair<T> &pair, uint64_t tile,
                 uint64_t length) {
  const bool wide = vinciVectorBytes == 64;
  const T *weights = pair.begin + tile / 2 * pair.stride + tile % 2 * Panel<T>::halfElements;
  Floats sum[Rows][Tiles];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Tiles; ++i)
    sum[i / Tiles][i % Tiles] = load(sums + i / Tiles * slabColumns + i % Tiles * lanes);
  for (uint64_t begin = 0; begin < length; begin += 32) {
    // At its end each panel goes on with the one after next: that of the next pair.
    const uint64_t left = (pair.left - begin) * 32 * sizeof(T);
    const uint64_t jump = wide || tileAhead < left ? 0 : pair.stride * sizeof(T);
    const uint64_t ahead = (wide ? streamAhead : tileAhead) + jump;
#pragma clang loop unroll_count(Rows > 1 ? 1 : 4)
    for (uint64_t i = 0; i < 16; ++i) {
      const T *step = weights + begin * 32 + i * Panel<T>::stepElements;
      const uint64_t k = begin + 2 * i;
#pragma clang loop unroll(full)
      for (int tile = 0; tile < Tiles; ++tile) {
        const T *line = step + tile / 2 * pair.stride + tile % 2 * Panel<T>::halfElements;
        if (!pair.isCached) {
          __builtin_prefetch((const char *)line + ahead);
          if (!wide && sizeof(T) == 4) // whose step has two lines
            __builtin_prefetch((const char *)line + ahead + 128);
        }
        const WeightPair w = Panel<T>::load(line);
#pragma clang loop unroll(full)
        for (int row = 0; row < Rows; ++row) {
          sum[row][tile] = fma(splat(x[row][k]), w.even, sum[row][tile]);
          sum[row][tile] = fma(splat(x[row][k + 1]), w.odd, sum[row][tile]);
        }
      }
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Tiles; ++i)
    store(sums + i / Tiles * slabColumns + i % Tiles * lanes, sum[i / Tiles][i % Tiles]);
}

/// addProducts for few rows and one or two panels of float16: a panel is read from front to back,
/// as memory gives it fastest, the 16 columns of a tile after those of the other.
template <int Rows, int Panels>
void addStreams(float *sums, const float (*x)[chunk], const PanelPair<_Float16> &pair,
                uint64_t first, uint64_t length) {
  using Layout = Panel<_Float16>;
  constexpr int tiles = 2 * Panels;
  Floats sum[Rows][tiles];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * tiles; ++i)
    sum[i / tiles][i % tiles] = load(sums + i / tiles * slabColumns + i % tiles * lanes);
  for (uint64_t begin = 0; begin < length; begin += 32)
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; ++half)
#pragma clang loop unroll_count(4)
      for (uint64_t k = begin; k < begin + 32; k += 2)
#pragma clang loop unroll(full)
        for (int panel = 0; panel < Panels; ++panel) {
          const _Float16 *line = pair.begin + begin * 32 + uint64_t(half) * Layout::halfElements +
                                 (k - begin) * 16 + (first + uint64_t(panel)) * pair.stride;
          __builtin_prefetch((const char *)line + streamAhead);
          const WeightPair w = Layout::load(line);
#pragma clang loop unroll(full)
          for (int row = 0; row < Rows; ++row) {
            Floats &of = sum[row][2 * panel + half];
            of = fma(splat(x[row][k]), w.even, of);
            of = fma(splat(x[row][k + 1]), w.odd, of);
          }
        }
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * tiles; ++i)
    store(sums + i / tiles * slabColumns + i % tiles * lanes, sum[i / tiles][i % tiles]);
}

/// addProducts for `Rows` rows from `row` on and the panel pair's 2 or 4 column tiles, `Tiles` at a
/// time.
template <int Rows, int Tiles, typename T, typename Source>
void addRows(float *sums, const Product<T, Source> &p, uint64_t row, const PanelPair<T> &pair,
             uint64_t begin, uint64_t length, uint64_t tiles) {
  alignas(64) float x[Rows][chunk];
  for (int r = 0; r < Rows; ++r)
    widened::widenRow(x[r], p.source(row + r), begin, length, p.k);
  for (uint64_t tile = 0; tile < tiles; tile += Tiles) {
    float *to = sums + tile * lanes;
    if constexpr (Rows <= 2 && Tiles % 2 == 0 && isFloat16<T>)
      if (vinciVectorBytes < 64) {
        addStreams<Rows, Tiles / 2>(to, x, pair, tile / 2, length);
        continue;
      }
    addProducts<Rows, Tiles>(to, x, pair, tile, length);
  }
}

/// One chunk for `count` rows: the largest blocks first that the target has registers for.
template <typename T, typename Source>
void addChunk(float *sums, const Product<T, Source> &p, uint64_t row, uint64_t count,
              const PanelPair<T> &pair, uint64_t begin, uint64_t length, uint64_t tiles) {
  const bool wide = vinciVectorBytes == 64; // 32 registers; otherwise 16, and a vector takes two
  uint64_t r = 0;
  for (; r + 4 <= count; r += 4)
    if (!wide)
      addRows<4, 1>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
    else if (tiles == 4)
      addRows<4, 4>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
    else
      addRows<4, 2>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
  for (; r + 2 <= count; r += 2)
    if (wide && tiles == 4)
      addRows<2, 4>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
    else
      addRows<2, 2>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
  for (; r < count; ++r)
    if (tiles == 4)
      addRows<1, 4>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
    else
      addRows<1, 2>(sums + r * slabColumns, p, row + r, pair, begin, length, tiles);
}

/// The sums of up to slabRows rows with one panel from `panel` on (2 tiles) or two (4).
template <typename T, typename Source>
void sumSlab(float *sums, const Product<T, Source> &p, uint64_t row, uint64_t count, uint64_t panel,
             uint64_t tiles) {
  for (uint64_t i = 0; i < count * slabColumns; i += lanes)
    store(sums + i, splat(0.0f));
  const uint64_t depth = paddedDepth(p.k), stride = panelElements(p.k);
  for (uint64_t begin = 0; begin < depth; begin += chunk) {
    const uint64_t left = depth - begin, length = left < chunk ? left : chunk;
    if constexpr (isBFloat16<T>) {
      alignas(64) BFloat16 expanded[2 * chunk * 32];
      const Weight12 weight(p.weights, p.n, p.k);
      for (uint64_t i = 0; i < tiles / 2; ++i)
        expandSteps(expanded + i * chunk * 32, weight.panel(panel + i), begin / 32, length / 32);
      addChunk(sums, p, row, count, PanelPair<T>{expanded, chunk * 32, left}, begin, length, tiles);
    } else {
      addChunk(sums, p, row, count,
               PanelPair<T>{p.weights + panel * stride + begin * 32, stride, left}, begin, length,
               tiles);
    }
  }
}

/// The tiles that a pair of panels from `firstColumn` on has of n columns.
inline uint64_t tilesOf(uint64_t n, uint64_t firstColumn) {
  return n % 64 != 0 && n % 64 <= 32 && firstColumn + 64 > n ? 2 : 4;
}

/// Up to slabRows rows of one panel pair.
template <typename T, typename Source, typename Finish>
void multiplySlab(const Product<T, Source> &p, uint64_t row, uint64_t count, uint64_t pair,
                  Finish finish) {
  alignas(64) float sums[slabRows * slabColumns];
  const uint64_t firstColumn = pair * slabColumns;
  sumSlab(sums, p, row, count, 2 * pair, tilesOf(p.n, firstColumn));
  const uint64_t columns = p.n - firstColumn < slabColumns ? p.n - firstColumn : slabColumns;
  for (uint64_t r = 0; r < count; ++r)
    forLanes(columns, [&](uint64_t i, uint64_t lanesHere) {
      finish(row + r, firstColumn + i, lanesHere, load(sums + r * slabColumns + i));
    });
}

/// The panels of columns that a tile has of n.
inline PanelRange panelsOf(const Tile &t, uint64_t n) {
  const uint64_t pairs = (n + slabColumns - 1) / slabColumns, panels = (n + 31) / 32;
  const uint64_t end = 2 * t.shareEnd(pairs);
  return {2 * t.shareBegin(pairs), end < panels ? end : panels};
}

/// Whether the target has instructions for products of pairs of bfloat16.
inline bool multipliesPairs() {
  return vinciHasAmx || vinciHasBf16Dot;
}

/// Whether `rows` rows are widened first: where registers are few.
inline bool widensFirst(uint64_t rows) {
  return vinciVectorBytes < 64 && rows >= widened::minRows;
}

/// Elements of the stack that gathered rows are copied to.
constexpr uint64_t maxCopiedElements = 128 * 1024;

template <typename Finish>
void multiplyPairs(const Product<BFloat16, DenseRows<BFloat16>> &p, uint64_t rowBegin,
                   uint64_t rowEnd, const PanelRange &range, Finish finish) {
  if (vinciHasAmx)
    multiplyOnTiles(AmxProduct<BFloat16>{p.source.x, {Weight12(p.weights, p.n, p.k)}, p.k}, p.n,
                    rowBegin, rowEnd, range, finish);
  else
    multiplyByDots(DotProduct<DenseRows<BFloat16>>{p.source, Weight12(p.weights, p.n, p.k), p.k},
                   p.n, rowBegin, rowEnd, range, finish);
}

/// Tiles need rows that stand one after the other.
template <typename Finish>
void multiplyPairs(const Product<BFloat16, GatheredRows<BFloat16>> &p, uint64_t rowBegin,
                   uint64_t rowEnd, const PanelRange &range, Finish finish) {
  if (!vinciHasAmx || p.k > maxCopiedElements / 16)
    return multiplyByDots(
        DotProduct<GatheredRows<BFloat16>>{p.source, Weight12(p.weights, p.n, p.k), p.k}, p.n,
        rowBegin, rowEnd, range, finish);
  alignas(64) BFloat16 rows[maxCopiedElements];
  const uint64_t fitting = maxCopiedElements / p.k, most = fitting < 96 ? fitting : 96;
  for (uint64_t row = rowBegin; row < rowEnd; row += most) {
    const uint64_t count = rowEnd - row < most ? rowEnd - row : most;
    for (uint64_t r = 0; r < count; ++r)
      copyRow(rows + r * p.k, p.source(row + r), p.k);
    multiplyOnTiles(AmxProduct<BFloat16>{rows, {Weight12(p.weights, p.n, p.k)}, p.k}, p.n, 0, count,
                    range, [=](uint64_t r, uint64_t column, uint64_t columns, Floats sums) {
                      finish(row + r, column, columns, sums);
                    });
  }
}

/// Whether rows of bfloat16 have a way of their own, and then rows rowBegin..rowEnd by it.
template <typename T, typename Source, typename Finish>
bool multiplyBFloat16(const Product<T, Source> &p, uint64_t rowBegin, uint64_t rowEnd,
                      const PanelRange &range, Finish finish) {
  if constexpr (isBFloat16<T>) {
    if (rowEnd - rowBegin <= few::mostRows()) {
      few::multiply(p.source, Weight12(p.weights, p.n, p.k), p.n, p.k, rowBegin, rowEnd, range,
                    finish);
      return true;
    }
    if (multipliesPairs()) {
      multiplyPairs(p, rowBegin, rowEnd, range, finish);
      return true;
    }
  }
  return false;
}

/// Rows rowBegin..rowEnd of the tile's columns. finish(row, column, count, sums) takes up to 16
/// sums at a time.
template <typename T, typename Source, typename Finish>
void multiply(const Tile &t, const Product<T, Source> &p, uint64_t rowBegin, uint64_t rowEnd,
              Finish finish) {
  if (rowBegin >= rowEnd || multiplyBFloat16(p, rowBegin, rowEnd, panelsOf(t, p.n), finish))
    return;
  if (widensFirst(rowEnd - rowBegin))
    return widened::multiply(p.source, widened::Panels<T>(p.weights, p.n, p.k), p.n, rowBegin,
                             rowEnd, panelsOf(t, p.n), finish);
  const uint64_t pairs = (p.n + slabColumns - 1) / slabColumns;
  for (uint64_t pair = t.shareBegin(pairs); pair < t.shareEnd(pairs); ++pair)
    for (uint64_t row = rowBegin; row < rowEnd; row += slabRows)
      multiplySlab(p, row, rowEnd - row < slabRows ? rowEnd - row : slabRows, pair, finish);
}

template <typename T, typename Out>
void matmul(const Tile &t, Out *out, const T *x, const T *weights, const T *bias, uint64_t n,
            uint64_t k) {
  const Product<T, DenseRows<T>> product{{x, k}, weights, n, k};
  multiply(t, product, t.rowBegin, t.rowEnd,
           [=](uint64_t row, uint64_t column, uint64_t count, Floats sums) {
             if (bias)
               sums = sums + loadUpTo(bias + column, count);
             storeUpTo(out + row * n + column, sums, count);
           });
}

/// What a product by experts reads. Rows are sorted by expert: those of expert e are
/// offsets[e]..offsets[e + 1].
template <typename T> struct Grouped {
  const T *x;
  const int32_t *rowOf, *offsets;
  const T *weights;
  uint64_t n, k, numExperts, topK;
  bool gather;

  /// Calls body(begin, end, product) for the rows that the tile has of each expert.
  template <typename Body> void forExperts(const Tile &t, Body body) const {
    if (gather)
      forExperts(t, GatheredRows<T>{x, rowOf, topK, k}, body);
    else
      forExperts(t, DenseRows<T>{x, k}, body);
  }

private:
  template <typename Source, typename Body>
  void forExperts(const Tile &t, Source source, Body body) const {
    uint64_t expertElements = (n + 31) / 32 * panelElements(k);
    if constexpr (isBFloat16<T>)
      expertElements = Weight12(weights, n, k).bytes() / sizeof(T);
    for (uint64_t expert = 0; expert < numExperts; ++expert) {
      const uint64_t first = uint64_t(offsets[expert]), last = uint64_t(offsets[expert + 1]);
      const uint64_t begin = first > t.rowBegin ? first : t.rowBegin;
      const uint64_t end = last < t.rowEnd ? last : t.rowEnd;
      if (begin < end)
        body(begin, end, Product<T, Source>{source, weights + expert * expertElements, n, k});
    }
  }
};

template <typename T> void groupedMatmul(const Tile &t, T *out, const Grouped<T> &g) {
  g.forExperts(t, [&](uint64_t begin, uint64_t end, const auto &product) {
    multiply(t, product, begin, end,
             [=, n = g.n](uint64_t row, uint64_t column, uint64_t count, Floats sums) {
               storeUpTo(out + row * n + column, sums, count);
             });
  });
}

/// Up to slabRows rows of one panel pair of the gate, and of up, n columns behind; n is a multiple
/// of the columns of a panel.
template <typename T, typename Source>
void gateSlab(T *out, const Product<T, Source> &p, uint64_t n, uint64_t row, uint64_t count,
              uint64_t pair) {
  alignas(64) float gate[slabRows * slabColumns], up[slabRows * slabColumns];
  const uint64_t firstColumn = pair * slabColumns, tiles = tilesOf(n, firstColumn);
  sumSlab(gate, p, row, count, 2 * pair, tiles);
  sumSlab(up, p, row, count, n / 32 + 2 * pair, tiles);
  for (uint64_t r = 0; r < count; ++r)
    for (uint64_t i = 0; i < tiles * lanes; i += lanes) {
      const uint64_t at = r * slabColumns + i;
      store(out + (row + r) * n + firstColumn + i,
            gated<T>(roundTo<T>(load(gate + at)), roundTo<T>(load(up + at))));
    }
}

/// The gate of a block is kept until its up comes. False if there is no such way for so many rows.
template <typename T, typename Source>
bool gatePairs(const Tile &t, T *out, uint64_t n, const Product<T, Source> &p, uint64_t rowBegin,
               uint64_t rowEnd) {
  constexpr uint64_t keptRows = 64; // more than a block has
  alignas(64) T kept[keptRows * 32];
  T *gates = kept;
  PanelRange range = panelsOf(t, n);
  range.parts = 2;
  range.stride = n / 32;
  const auto finish = [=](uint64_t row, uint64_t column, uint64_t, Floats sums) {
    T *gate = gates + row % keptRows * 32 + column % 32;
    if (column < n)
      store(gate, sums);
    else
      store(out + row * n + column - n, gated<T>(load(gate), roundTo<T>(sums)));
  };
  if (multiplyBFloat16(p, rowBegin, rowEnd, range, finish))
    return true;
  if (widensFirst(rowEnd - rowBegin)) {
    widened::multiply(p.source, widened::Panels<T>(p.weights, p.n, p.k), 2 * n, rowBegin, rowEnd,
                      range, finish);
    return true;
  }
  return false;
}

/// `n` columns of the result, half of those of the weight.
template <typename T>
void groupedMatmulSwiglu(const Tile &t, T *out, uint64_t n, const Grouped<T> &g) {
  g.forExperts(t, [&](uint64_t begin, uint64_t end, const auto &product) {
    if (gatePairs(t, out, n, product, begin, end))
      return;
    const uint64_t pairs = (n + slabColumns - 1) / slabColumns;
    for (uint64_t pair = t.shareBegin(pairs); pair < t.shareEnd(pairs); ++pair)
      for (uint64_t row = begin; row < end; row += slabRows)
        gateSlab(out, product, n, row, end - row < slabRows ? end - row : slabRows, pair);
  });
}

} // namespace

#define MATMUL(T, name, Out, outName)                                                              \
  extern "C" void vinci_matmul_##name##_##outName(VINCI_COMMAND, uint64_t n, uint64_t k,           \
                                                  uint64_t bias, VINCI_TILES) {                    \
    matmul(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<Out>(buffers, 0),          \
           input<T>(buffers, 1), input<T>(buffers, 2), bias ? input<T>(buffers, 3) : nullptr, n,   \
           k);                                                                                     \
  }                                                                                                \
  extern "C" void vinci_matmul_all_reduce_##name##_##outName(                                      \
      VINCI_COMMAND, uint64_t n, uint64_t k, uint64_t bias, uint64_t, VINCI_TILES) {               \
    vinci_matmul_##name##_##outName(buffers, dims, tile, n, k, bias, symbol, scale, rowBlock,      \
                                    columns);                                                      \
  }
MATMUL(float, float32, float, float32)
MATMUL(BFloat16, bfloat16, BFloat16, bfloat16)
MATMUL(BFloat16, bfloat16, float, float32)
MATMUL(_Float16, float16, _Float16, float16)
MATMUL(_Float16, float16, float, float32)

#define GROUPED_MATMUL(T, name)                                                                    \
  extern "C" void vinci_grouped_matmul_##name(VINCI_COMMAND, uint64_t n, uint64_t k,               \
                                              uint64_t numExperts, uint64_t topK, uint64_t,        \
                                              uint64_t gather, VINCI_TILES) {                      \
    groupedMatmul(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),     \
                  Grouped<T>{input<T>(buffers, 1), input<int32_t>(buffers, 2),                     \
                             input<int32_t>(buffers, 3), input<T>(buffers, 4), n, k, numExperts,   \
                             topK, gather != 0});                                                  \
  }
VINCI_FOR_EACH_TYPE(GROUPED_MATMUL)

#define GROUPED_MATMUL_SWIGLU(T, name)                                                             \
  extern "C" void vinci_grouped_matmul_swiglu_##name(VINCI_COMMAND, uint64_t n, uint64_t k,        \
                                                     uint64_t numExperts, uint64_t topK, uint64_t, \
                                                     uint64_t gather, VINCI_TILES) {               \
    groupedMatmulSwiglu(                                                                           \
        tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0), n,            \
        Grouped<T>{input<T>(buffers, 1), input<int32_t>(buffers, 2), input<int32_t>(buffers, 3),   \
                   input<T>(buffers, 4), 2 * n, k, numExperts, topK, gather != 0});                \
  }
VINCI_FOR_EACH_TYPE(GROUPED_MATMUL_SWIGLU)
