// quantize, row_max and dynamic_quantize, and the products of what they make with int8 weights,
// packed as Panel32; also with what an expert does to a product of gate and up:
// grouped_matmul_swiglu_quant.
//
// Sums are int32 and exact, so they are the same however they are computed
// (support/int8_product.h). What comes after is float32, each element by itself.
#include "support/activation.h"
#include "support/int8_product.h"

namespace {

using int8::Product, int8::slabColumns;

/// Of the rows that are gated at once: four of the longest (runtime/support/kernel_limits.h), which
/// is what a tile has.
constexpr uint64_t maxGatedElements = 4 * 16384;

/// Elements of a row in memory.
template <typename T> auto valuesOf(const T *row) {
  return [=](uint64_t i, uint64_t count) { return loadUpTo(row + i, count); };
}

/// The largest of non-negative values `stride` apart, NaN above all.
inline float largestPart(const float *values, uint64_t stride, uint64_t parts) {
  int32_t largest = 0; // the order of their bits, as in rowMax
  for (uint64_t part = 0; part < parts; ++part) {
    const auto bits = __builtin_bit_cast(int32_t, values[part * stride]);
    largest = bits > largest ? bits : largest;
  }
  return __builtin_bit_cast(float, largest);
}

/// The panels of columns that a tile has of n.
inline PanelRange panelsOf(const Tile &t, uint64_t n) {
  const uint64_t pairs = (n + slabColumns - 1) / slabColumns, panels = (n + 31) / 32;
  const uint64_t end = 2 * t.shareEnd(pairs);
  return {2 * t.shareBegin(pairs), end < panels ? end : panels};
}

/// With `rowMaxima` the largest values of `parts` of each row are given, all rows of a part
/// together.
template <typename T>
void dynamicQuantize(const Tile &t, uint64_t rows, int8_t *out, float *outScale, const T *x,
                     const float *rowMaxima, uint64_t parts, uint64_t n) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {
    const auto values = valuesOf(x + row * n);
    outScale[row] = dynamicQuantizeRow(
        out + row * n, n, rowMaxima ? largestPart(rowMaxima + row, rows, parts) : rowMax(n, values),
        values);
  }
}

inline Floats toFloats(Ints sums) {
  return __builtin_convertvector(sums, Floats);
}

template <typename T>
void quantMatmul(const Tile &t, T *out, const int8_t *x, const int8_t *weights, const int32_t *bias,
                 const float *deqScale, uint64_t n, uint64_t k) {
  int8::multiply(Product{x, nullptr, 1, weights, n, k}, t.rowBegin, t.rowEnd, panelsOf(t, n),
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
  int8::multiply(Product{x, nullptr, 1, weights, n, k}, t.rowBegin, t.rowEnd, panelsOf(t, n),
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

  /// Calls body(begin, end, product, scales) for the rows that the tile has of each expert.
  template <typename Body> void forExperts(const Tile &t, Body body) const {
    const uint64_t expertBytes = (n + 31) / 32 * int8PanelBytes(k);
    for (uint64_t expert = 0; expert < numExperts; ++expert) {
      const uint64_t first = uint64_t(offsets[expert]), last = uint64_t(offsets[expert + 1]);
      const uint64_t begin = first > t.rowBegin ? first : t.rowBegin;
      const uint64_t end = last < t.rowEnd ? last : t.rowEnd;
      if (begin < end)
        body(begin, end,
             Product{x, gather ? rowOf : nullptr, topK, weights + expert * expertBytes, n, k},
             weightScale + expert * n);
    }
  }
};

/// Elements of a row of a product by an expert, from `column` on.
inline Floats scaled(Ints sums, float scale, const float *expertScale, uint64_t column,
                     uint64_t count) {
  return toFloats(sums) * splat(scale) * loadUpTo(expertScale + column, count);
}

template <typename T> void groupedDynamicQuantMatmul(const Tile &t, T *out, const Grouped &g) {
  g.forExperts(t, [&](uint64_t begin, uint64_t end, const Product &product, const float *scales) {
    int8::multiply(
        product, begin, end, panelsOf(t, g.n),
        [=, n = g.n, scale = g.scale](uint64_t row, uint64_t column, uint64_t count, Ints sums) {
          const float rowScale = scale[product.inputRow(row)];
          storeUpTo(out + row * n + column, scaled(sums, rowScale, scales, column, count), count);
        });
  });
}

/// Rows of one expert, all columns of them: those of the gate, and as many of up, which are n in
/// all. The rows are kept in T, as they would be in memory, until their scales are known.
template <typename T>
void gateRows(int8_t *out, float *outScale, const float *scale, const Product &product,
              const float *scales, uint64_t begin, uint64_t end) {
  alignas(64) T memory[maxGatedElements];
  T *kept = memory;
  const uint64_t half = product.n / 2; // a multiple of the columns of a panel
  const PanelRange gateAndUp = {0, half / 32, 2, half / 32};
  int8::multiply(
      product, begin, end, gateAndUp, [=](uint64_t row, uint64_t column, uint64_t, Ints sums) {
        const Floats value =
            roundTo<T>(scaled(sums, scale[product.inputRow(row)], scales, column, lanes));
        T *at = kept + (row - begin) * half + column % half;
        if (column < half)
          store(at, value);
        else
          store(at, gated<T>(load(at), value));
      });
  for (uint64_t row = begin; row < end; ++row)
    outScale[row] =
        dynamicQuantizeRow(out + row * half, half, valuesOf(kept + (row - begin) * half));
}

/// Tiles have whole rows, few, so that a decode step has work for all; where there are many rows,
/// every so many tiles leave theirs to the first of them, which reads the weights once for all.
inline Tile joinedTile(const Tile &t, uint64_t rows, uint64_t rowBlock, uint64_t n) {
  const uint64_t fitting = maxGatedElements / n / rowBlock, wanted = rows / (16 * rowBlock);
  uint64_t joined = wanted < 8 ? wanted : 8;
  joined = joined < fitting ? joined : fitting;
  if (joined < 2)
    return t;
  Tile result = t;
  const uint64_t end = t.rowBegin + joined * rowBlock;
  result.rowEnd = t.rowBegin / rowBlock % joined != 0 ? t.rowBegin : end < rows ? end : rows;
  return result;
}

template <typename T>
void groupedMatmulSwigluQuant(const Tile &t, int8_t *out, float *outScale, const Grouped &g) {
  g.forExperts(t, [&](uint64_t begin, uint64_t end, const Product &product, const float *scales) {
    gateRows<T>(out, outScale, g.scale, product, scales, begin, end);
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

#define ROW_MAX(T, name)                                                                           \
  extern "C" void vinci_row_max_##name(VINCI_COMMAND, uint64_t n, uint64_t, VINCI_TILES) {         \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      output<float>(buffers, 0)[row] = rowMax(n, valuesOf(input<T>(buffers, 1) + row * n));        \
  }
VINCI_FOR_EACH_TYPE(ROW_MAX)

#define DYNAMIC_QUANTIZE(T, name)                                                                  \
  extern "C" void vinci_dynamic_quantize_##name(VINCI_COMMAND, uint64_t n, uint64_t parts,         \
                                                uint64_t given, VINCI_TILES) {                     \
    dynamicQuantize(tileOf(dims, tile, symbol, scale, rowBlock, columns), dims[symbol] * scale,    \
                    output<int8_t>(buffers, 0), output<float>(buffers, 1), input<T>(buffers, 2),   \
                    given ? input<float>(buffers, 3) : nullptr, parts, n);                         \
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
    groupedMatmulSwigluQuant<T>(joinedTile(tileOf(dims, tile, symbol, scale, rowBlock, columns),   \
                                           dims[symbol] * scale, rowBlock, n),                     \
                                output<int8_t>(buffers, 0), output<float>(buffers, 1),             \
                                Grouped{input<int8_t>(buffers, 2), input<float>(buffers, 3),       \
                                        input<int32_t>(buffers, 4), input<int32_t>(buffers, 5),    \
                                        input<int8_t>(buffers, 6), input<float>(buffers, 7),       \
                                        2 * n, k, numExperts, topK, gather != 0});                 \
  }
VINCI_FOR_EACH_TYPE(GROUPED_MATMUL_SWIGLU_QUANT)
