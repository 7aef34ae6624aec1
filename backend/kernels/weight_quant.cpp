// weight_quant_matmul and grouped_weight_quant_matmul: float activations times int8 weights, packed
// as Panel32, with a scale for each column.
//
// Weights are widened to float32 in registers, which is exact, and an output is one chain of fused
// multiply-adds over k = 0, 1, 2, .. whatever the register blocking, as in matmul; its scale comes
// at the end. So a decode step reads a byte for each weight and nothing else.
#include "support/int8.h"
#include "support/kernel.h"
#include "support/widened_product.h"

namespace {

/// k-values that are multiplied at a time: the weights of a panel pair, 16 KiB, then stay close for
/// all rows.
constexpr uint64_t chunk = 256;
/// Rows and columns whose sums are kept while the chunks go by.
constexpr uint64_t slabRows = 96, slabColumns = 64;
/// Bytes that are prefetched ahead in each panel.
constexpr uint64_t prefetchAhead = 2048;

/// A product whose row r of x is source(r).
template <typename T, typename Source> struct Product {
  Source source;
  const int8_t *weights;
  uint64_t n, k;
};

/// Adds x * w for one of the four k of a step.
template <int Index, int Rows>
void addValues(Floats *const (&sums)[Rows], const float (&x)[Rows][chunk], Words step, uint64_t k) {
  const Floats w = __builtin_convertvector(widenStep<Index>(step), Floats);
#pragma clang loop unroll(full)
  for (int row = 0; row < Rows; ++row)
    *sums[row] = fma(splat(x[row][k + Index]), w, *sums[row]);
}

/// sums[row][column] += x * w over `length` k-values, for `Rows` rows and `Tiles` * 16 columns.
/// `weights` points to the first column's tile, `begin` k-values from the start of its panel.
template <int Rows, int Tiles>
void addProducts(float *sums, const float (&x)[Rows][chunk], const int8_t *weights,
                 uint64_t panelStride, uint64_t begin, uint64_t length) {
  Floats sum[Tiles][Rows];
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Tiles; ++i)
    sum[i % Tiles][i / Tiles] = load(sums + i / Tiles * slabColumns + i % Tiles * lanes);
  for (uint64_t first = 0; first < length; first += int8TileDepth) {
    const int8_t *step = weights + first * 32;
    // At its end each panel goes on with the one after next: that of the next pair.
    const uint64_t left = panelStride - (begin + first) * 32;
    const uint64_t ahead = prefetchAhead + (prefetchAhead < left ? 0 : panelStride);
#pragma clang loop unroll(disable)
    for (uint64_t k = first; k < first + int8TileDepth; k += 4, step += int8StepBytes)
#pragma clang loop unroll(full)
      for (int tile = 0; tile < Tiles; ++tile) {
        const int8_t *line = step + tile / 2 * panelStride + tile % 2 * int8TileBytes;
        __builtin_prefetch(line + ahead);
        const Words words = *(const Words *)line;
        Floats *of[Rows];
#pragma clang loop unroll(full)
        for (int row = 0; row < Rows; ++row)
          of[row] = &sum[tile][row];
        addValues<0>(of, x, words, k);
        addValues<1>(of, x, words, k);
        addValues<2>(of, x, words, k);
        addValues<3>(of, x, words, k);
      }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < Rows * Tiles; ++i)
    store(sums + i / Tiles * slabColumns + i % Tiles * lanes, sum[i % Tiles][i / Tiles]);
}

/// `Rows` rows from `row` on and the pair's 2 or 4 column tiles, `Tiles` at a time.
template <int Rows, int Tiles, typename T, typename Source>
void addRows(float *sums, const Product<T, Source> &p, uint64_t row, const int8_t *weights,
             uint64_t begin, uint64_t length, uint64_t tiles) {
  alignas(64) float x[Rows][chunk];
  for (int r = 0; r < Rows; ++r)
    widened::widenRow(x[r], p.source(row + uint64_t(r)), begin, length, p.k);
  const uint64_t stride = int8PanelBytes(p.k);
  for (uint64_t tile = 0; tile < tiles; tile += Tiles)
    addProducts<Rows, Tiles>(sums + tile * lanes, x,
                             weights + tile / 2 * stride + tile % 2 * int8TileBytes + begin * 32,
                             stride, begin, length);
}

/// Blocks of `Rows` rows, and what is left of them in smaller blocks.
template <int Rows, int Tiles, typename T, typename Source>
void addBlocks(float *sums, const Product<T, Source> &p, uint64_t row, uint64_t count,
               const int8_t *weights, uint64_t begin, uint64_t length, uint64_t tiles) {
  uint64_t r = 0;
  for (; r + Rows <= count; r += Rows)
    if (tiles >= Tiles)
      addRows<Rows, Tiles>(sums + r * slabColumns, p, row + r, weights, begin, length, tiles);
    else
      addRows<Rows, 2>(sums + r * slabColumns, p, row + r, weights, begin, length, tiles);
  constexpr int fewer = Rows > 4 ? 4 : Rows / 2;
  if constexpr (fewer > 0)
    if (r < count)
      addBlocks<fewer, Tiles>(sums + r * slabColumns, p, row + r, count - r, weights, begin, length,
                              tiles);
}

/// Up to slabRows rows of one panel pair. finish(row, column, count, sums) takes up to 16 sums at a
/// time.
template <typename T, typename Source, typename Finish>
void multiplySlab(const Product<T, Source> &p, uint64_t row, uint64_t count, uint64_t pair,
                  Finish finish) {
  alignas(64) float sums[slabRows * slabColumns];
  for (uint64_t i = 0; i < count * slabColumns; i += lanes)
    store(sums + i, splat(0.0f));
  const uint64_t firstColumn = pair * slabColumns, stride = int8PanelBytes(p.k);
  const uint64_t columns = p.n - firstColumn < slabColumns ? p.n - firstColumn : slabColumns;
  const uint64_t tiles = columns <= 32 ? 2 : 4;
  const int8_t *weights = p.weights + 2 * pair * stride;
  for (uint64_t begin = 0; begin * 32 < stride; begin += chunk) {
    const uint64_t left = stride / 32 - begin, length = left < chunk ? left : chunk;
    if (vinciVectorBytes == 64)
      addBlocks<6, 4>(sums, p, row, count, weights, begin, length, tiles);
    else
      addBlocks<2, 2>(sums, p, row, count, weights, begin, length, tiles);
  }
  for (uint64_t r = 0; r < count; ++r)
    forLanes(columns, [&](uint64_t i, uint64_t lanesHere) {
      finish(row + r, firstColumn + i, lanesHere, load(sums + r * slabColumns + i));
    });
}

/// Rows rowBegin..rowEnd of the tile's columns.
template <typename T, typename Source, typename Finish>
void multiply(const Tile &t, const Product<T, Source> &p, uint64_t rowBegin, uint64_t rowEnd,
              Finish finish) {
  const uint64_t pairs = (p.n + slabColumns - 1) / slabColumns;
  if (vinciVectorBytes < 64 && rowEnd - rowBegin >= widened::minRows) {
    const uint64_t panels = (p.n + 31) / 32, end = 2 * t.shareEnd(pairs);
    return widened::multiply(p.source, widened::Panels<int8_t>(p.weights, p.n, p.k), p.n, rowBegin,
                             rowEnd, {2 * t.shareBegin(pairs), end < panels ? end : panels},
                             finish);
  }
  for (uint64_t pair = t.shareBegin(pairs); pair < t.shareEnd(pairs); ++pair)
    for (uint64_t row = rowBegin; row < rowEnd; row += slabRows)
      multiplySlab(p, row, rowEnd - row < slabRows ? rowEnd - row : slabRows, pair, finish);
}

template <typename T>
void weightQuantMatmul(const Tile &t, T *out, const T *x, const int8_t *weights, const float *scale,
                       const T *bias, uint64_t n, uint64_t k) {
  const auto source = [=](uint64_t row) { return x + row * k; };
  multiply(t, Product<T, decltype(source)>{source, weights, n, k}, t.rowBegin, t.rowEnd,
           [=](uint64_t row, uint64_t column, uint64_t count, Floats sums) {
             Floats result = sums * loadUpTo(scale + column, count);
             if (bias)
               result = result + loadUpTo(bias + column, count);
             storeUpTo(out + row * n + column, result, count);
           });
}

/// Rows are sorted by expert: those of expert e are offsets[e]..offsets[e + 1].
template <typename T>
void groupedWeightQuantMatmul(const Tile &t, T *out, const T *x, const int32_t *rowOf,
                              const int32_t *offsets, const int8_t *weights, const float *scale,
                              uint64_t n, uint64_t k, uint64_t numExperts, uint64_t topK,
                              bool gather) {
  const auto source = [=](uint64_t row) {
    return x + (gather ? uint64_t(rowOf[row]) / topK : row) * k;
  };
  const uint64_t expertBytes = (n + 31) / 32 * int8PanelBytes(k);
  for (uint64_t expert = 0; expert < numExperts; ++expert) {
    const uint64_t first = uint64_t(offsets[expert]), last = uint64_t(offsets[expert + 1]);
    const uint64_t begin = first > t.rowBegin ? first : t.rowBegin;
    const uint64_t end = last < t.rowEnd ? last : t.rowEnd;
    if (begin < end)
      multiply(t, Product<T, decltype(source)>{source, weights + expert * expertBytes, n, k}, begin,
               end, [=](uint64_t row, uint64_t column, uint64_t count, Floats sums) {
                 storeUpTo(out + row * n + column,
                           sums * loadUpTo(scale + expert * n + column, count), count);
               });
  }
}

} // namespace

#define WEIGHT_QUANT_MATMUL(T, name)                                                               \
  extern "C" void vinci_weight_quant_matmul_##name(VINCI_COMMAND, uint64_t n, uint64_t k,          \
                                                   uint64_t bias, VINCI_TILES) {                   \
    weightQuantMatmul(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0), \
                      input<T>(buffers, 1), input<int8_t>(buffers, 2), input<float>(buffers, 3),   \
                      bias ? input<T>(buffers, 4) : nullptr, n, k);                                \
  }
VINCI_FOR_EACH_TYPE(WEIGHT_QUANT_MATMUL)

#define GROUPED_WEIGHT_QUANT_MATMUL(T, name)                                                       \
  extern "C" void vinci_grouped_weight_quant_matmul_##name(                                        \
      VINCI_COMMAND, uint64_t n, uint64_t k, uint64_t numExperts, uint64_t topK, uint64_t,         \
      uint64_t gather, VINCI_TILES) {                                                              \
    groupedWeightQuantMatmul(                                                                      \
        tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),               \
        input<T>(buffers, 1), input<int32_t>(buffers, 2), input<int32_t>(buffers, 3),              \
        input<int8_t>(buffers, 4), input<float>(buffers, 5), n, k, numExperts, topK, gather != 0); \
  }
VINCI_FOR_EACH_TYPE(GROUPED_WEIGHT_QUANT_MATMUL)
