// quantize and dynamic_quantize, and the products of what they make with int8 weights, packed as
// Panel32; also with what an expert does to a product of gate and up: grouped_matmul_swiglu_quant.
//
// Sums are int32 and exact, so they are the same however they are computed
// (support/int8_product.h). What comes after is float32, each element by itself.
#include "support/activation.h"
#include "support/int8_product.h"

namespace {

using int8::Product, int8::slabColumns, int8::slabRows;

constexpr uint64_t maxGatedRow = 16384; // that of runtime/support/kernel_limits.h
constexpr uint64_t gatedRows = 4;       // what the tile rule counts in

/// Elements of a row in memory.
template <typename T> auto valuesOf(const T *row) {
  return [=](uint64_t i, uint64_t count) { return loadUpTo(row + i, count); };
}

/// Up to slabRows rows of one panel pair. finish(row, column, count, sums) takes up to 16 sums at a
/// time.
template <typename Source, typename Finish>
void multiplySlab(const Product<Source> &p, uint64_t row, uint64_t count, uint64_t pair,
                  Finish finish) {
  alignas(64) int32_t sums[slabRows * slabColumns];
  const uint64_t firstColumn = pair * slabColumns;
  const uint64_t columns = p.n - firstColumn < slabColumns ? p.n - firstColumn : slabColumns;
  int8::sumSlab(sums, p, row, count, 2 * pair, columns <= 32 ? 2 : 4);
  for (uint64_t r = 0; r < count; ++r)
    forLanes(columns, [&](uint64_t i, uint64_t lanesHere) {
      finish(row + r, firstColumn + i, lanesHere, *(const Ints *)(sums + r * slabColumns + i));
    });
}

/// Rows rowBegin..rowEnd of the tile's columns.
template <typename Source, typename Finish>
void multiply(const Tile &t, const Product<Source> &p, uint64_t rowBegin, uint64_t rowEnd,
              Finish finish) {
  const uint64_t pairs = (p.n + slabColumns - 1) / slabColumns;
  for (uint64_t pair = t.shareBegin(pairs); pair < t.shareEnd(pairs); ++pair)
    for (uint64_t row = rowBegin; row < rowEnd; row += slabRows)
      multiplySlab(p, row, rowEnd - row < slabRows ? rowEnd - row : slabRows, pair, finish);
}

inline Floats toFloats(Ints sums) {
  return __builtin_convertvector(sums, Floats);
}

template <typename T>
void quantMatmul(const Tile &t, T *out, const int8_t *x, const int8_t *weights, const int32_t *bias,
                 const float *deqScale, uint64_t n, uint64_t k) {
  const auto source = [=](uint64_t row) { return x + row * k; };
  multiply(t, Product<decltype(source)>{source, weights, n, k}, t.rowBegin, t.rowEnd,
           [=](uint64_t row, uint64_t column, uint64_t count, Ints sums) {
             const Ints biased = sums + loadUpTo(bias + column, count);
             storeUpTo(out + row * n + column,
                       toFloats(biased) * loadUpTo(deqScale + column, count), count);
           });
}

template <typename T>
void dynamicQuantMatmul(const Tile &t, T *out, const int8_t *x, const float *scale,
                        const int8_t *weights, const float *weightScale, const T *bias, uint64_t n,
                        uint64_t k) {
  const auto source = [=](uint64_t row) { return x + row * k; };
  multiply(t, Product<decltype(source)>{source, weights, n, k}, t.rowBegin, t.rowEnd,
           [=](uint64_t row, uint64_t column, uint64_t count, Ints sums) {
             Floats result =
                 toFloats(sums) * splat(scale[row]) * loadUpTo(weightScale + column, count);
             if (bias)
               result = result + loadUpTo(bias + column, count);
             storeUpTo(out + row * n + column, result, count);
           });
}

/// What a product by experts reads. Rows are sorted by expert: those of expert e are
/// offsets[e]..offsets[e + 1].
struct Grouped {
  const int8_t *x;
  const float *scale;
  const int32_t *rowOf, *offsets;
  const int8_t *weights;
  const float *weightScale;
  uint64_t n, k, numExperts, topK;
  bool gather;

  uint64_t inputRow(uint64_t row) const { return gather ? uint64_t(rowOf[row]) / topK : row; }

  /// Calls body(begin, end, weights, scales) for the rows that the tile has of each expert.
  template <typename Body> void forExperts(const Tile &t, Body body) const {
    const uint64_t expertBytes = (n + 31) / 32 * int8PanelBytes(k);
    for (uint64_t expert = 0; expert < numExperts; ++expert) {
      const uint64_t first = uint64_t(offsets[expert]), last = uint64_t(offsets[expert + 1]);
      const uint64_t begin = first > t.rowBegin ? first : t.rowBegin;
      const uint64_t end = last < t.rowEnd ? last : t.rowEnd;
      if (begin < end)
        body(begin, end, weights + expert * expertBytes, weightScale + expert * n);
    }
  }

  /// Elements of row `row` of the product, from `column` on.
  Floats scaled(Ints sums, uint64_t row, const float *expertScale, uint64_t column,
                uint64_t count) const {
    return toFloats(sums) * splat(scale[inputRow(row)]) * loadUpTo(expertScale + column, count);
  }
};

template <typename T> void groupedDynamicQuantMatmul(const Tile &t, T *out, const Grouped &g) {
  const auto source = [=](uint64_t row) { return g.x + g.inputRow(row) * g.k; };
  g.forExperts(t, [&](uint64_t begin, uint64_t end, const int8_t *weights, const float *scales) {
    multiply(t, Product<decltype(source)>{source, weights, g.n, g.k}, begin, end,
             [=](uint64_t row, uint64_t column, uint64_t count, Ints sums) {
               storeUpTo(out + row * g.n + column, g.scaled(sums, row, scales, column, count),
                         count);
             });
  });
}

/// Up to `gatedRows` rows of one expert, all columns of them: those of the gate, and as many of up.
/// The rows are kept in T, as they would be in memory, until their scales are known.
template <typename T>
void gateRows(int8_t *out, float *outScale, const Grouped &g, uint64_t row, uint64_t count,
              const int8_t *weights, const float *scales) {
  T kept[gatedRows * maxGatedRow];
  alignas(64) int32_t gate[gatedRows * slabColumns], up[gatedRows * slabColumns];
  const uint64_t half = g.n / 2; // a multiple of the columns of a panel
  const auto source = [=](uint64_t r) { return g.x + g.inputRow(r) * g.k; };
  const Product<decltype(source)> product{source, weights, g.n, g.k};
  for (uint64_t column = 0; column < half; column += slabColumns) {
    const uint64_t tiles = half - column < slabColumns ? 2 : 4;
    int8::sumSlab(gate, product, row, count, column / 32, tiles);
    int8::sumSlab(up, product, row, count, (half + column) / 32, tiles);
    for (uint64_t r = 0; r < count; ++r)
      for (uint64_t i = 0; i < tiles * lanes; i += lanes) {
        const auto scaled = [&](const int32_t *sums, uint64_t first) {
          return roundTo<T>(g.scaled(*(const Ints *)(sums + r * slabColumns + i), row + r, scales,
                                     first + column + i, lanes));
        };
        store(kept + r * half + column + i, gated<T>(scaled(gate, 0), scaled(up, half)));
      }
  }
  for (uint64_t r = 0; r < count; ++r)
    outScale[row + r] = dynamicQuantizeRow(out + (row + r) * half, half, valuesOf(kept + r * half));
}

template <typename T>
void groupedMatmulSwigluQuant(const Tile &t, int8_t *out, float *outScale, const Grouped &g) {
  g.forExperts(t, [&](uint64_t row, uint64_t end, const int8_t *weights, const float *scales) {
    for (; row < end; row += gatedRows)
      gateRows<T>(out, outScale, g, row, end - row < gatedRows ? end - row : gatedRows, weights,
                  scales);
  });
}

} // namespace

#define QUANTIZE(T, name)                                                                          \
  extern "C" void vinci_quantize_##name(VINCI_COMMAND, uint64_t n, VINCI_TILES) {                  \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      quantizeRow(output<int8_t>(buffers, 0) + row * n, n, *input<float>(buffers, 2),              \
                  *input<float>(buffers, 3), valuesOf(input<T>(buffers, 1) + row * n));            \
  }
VINCI_FOR_EACH_TYPE(QUANTIZE)

#define DYNAMIC_QUANTIZE(T, name)                                                                  \
  extern "C" void vinci_dynamic_quantize_##name(VINCI_COMMAND, uint64_t n, uint64_t,               \
                                                VINCI_TILES) {                                     \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      output<float>(buffers, 1)[row] = dynamicQuantizeRow(                                         \
          output<int8_t>(buffers, 0) + row * n, n, valuesOf(input<T>(buffers, 2) + row * n));      \
  }
VINCI_FOR_EACH_TYPE(DYNAMIC_QUANTIZE)

#define QUANT_MATMUL(T, name)                                                                      \
  extern "C" void vinci_quant_matmul_##name(VINCI_COMMAND, uint64_t n, uint64_t k, VINCI_TILES) {  \
    quantMatmul(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),       \
                input<int8_t>(buffers, 1), input<int8_t>(buffers, 2), input<int32_t>(buffers, 3),  \
                input<float>(buffers, 4), n, k);                                                   \
  }
VINCI_FOR_EACH_TYPE(QUANT_MATMUL)

#define DYNAMIC_QUANT_MATMUL(T, name)                                                              \
  extern "C" void vinci_dynamic_quant_matmul_##name(VINCI_COMMAND, uint64_t n, uint64_t k,         \
                                                    uint64_t bias, VINCI_TILES) {                  \
    dynamicQuantMatmul(tileOf(dims, tile, symbol, scale, rowBlock, columns),                       \
                       output<T>(buffers, 0), input<int8_t>(buffers, 1), input<float>(buffers, 2), \
                       input<int8_t>(buffers, 3), input<float>(buffers, 4),                        \
                       bias ? input<T>(buffers, 5) : nullptr, n, k);                               \
  }
VINCI_FOR_EACH_TYPE(DYNAMIC_QUANT_MATMUL)

#define GROUPED_DYNAMIC_QUANT_MATMUL(T, name)                                                      \
  extern "C" void vinci_grouped_dynamic_quant_matmul_##name(                                       \
      VINCI_COMMAND, uint64_t n, uint64_t k, uint64_t numExperts, uint64_t topK, uint64_t,         \
      uint64_t gather, VINCI_TILES) {                                                              \
    groupedDynamicQuantMatmul(                                                                     \
        tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),               \
        Grouped{input<int8_t>(buffers, 1), input<float>(buffers, 2), input<int32_t>(buffers, 3),   \
                input<int32_t>(buffers, 4), input<int8_t>(buffers, 5), input<float>(buffers, 6),   \
                n, k, numExperts, topK, gather != 0});                                             \
  }
VINCI_FOR_EACH_TYPE(GROUPED_DYNAMIC_QUANT_MATMUL)

/// n is the columns of the result; the weight has twice as many rows.
#define GROUPED_MATMUL_SWIGLU_QUANT(T, name)                                                       \
  extern "C" void vinci_grouped_matmul_swiglu_quant_##name(                                        \
      VINCI_COMMAND, uint64_t n, uint64_t k, uint64_t numExperts, uint64_t topK, uint64_t,         \
      uint64_t gather, VINCI_TILES) {                                                              \
    groupedMatmulSwigluQuant<T>(tileOf(dims, tile, symbol, scale, rowBlock, columns),              \
                                output<int8_t>(buffers, 0), output<float>(buffers, 1),             \
                                Grouped{input<int8_t>(buffers, 2), input<float>(buffers, 3),       \
                                        input<int32_t>(buffers, 4), input<int32_t>(buffers, 5),    \
                                        input<int8_t>(buffers, 6), input<float>(buffers, 7),       \
                                        2 * n, k, numExperts, topK, gather != 0});                 \
  }
VINCI_FOR_EACH_TYPE(GROUPED_MATMUL_SWIGLU_QUANT)
