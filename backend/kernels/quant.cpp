// quantize and dynamic_quantize, and the products of what they make with int8 weights, packed as
// Panel32; also with what an expert does to a product of gate and up: grouped_matmul_swiglu_quant.
//
// Sums are int32 and exact, so they are the same however they are computed; here by widening each
// weight and one vector multiplication and addition per k. What comes after is float32, each
// element by itself.
#include "support/activation.h"
#include "support/int8.h"
#include "support/kernel.h"

namespace {

/// Rows that share each weight that is loaded and widened.
constexpr int blockRows = 4;
constexpr uint64_t pairColumns = 64; // what the tile rule counts in

constexpr uint64_t maxGatedRow = 16384; // that of runtime/support/kernel_limits.h

/// Elements of a row in memory.
template <typename T> auto valuesOf(const T *row) {
  return [=](uint64_t i, uint64_t count) { return loadUpTo(row + i, count); };
}

/// A product whose row r of x is source(r).
template <typename Source> struct Product {
  Source source;
  const int8_t *weights;
  uint64_t n, k;
};

/// Adds x * w for the `depth` (up to 4) values of k of one step.
template <int Rows>
void addStep(Ints (&sums)[Rows], const int8_t *const (&x)[Rows], const int8_t *step, uint64_t begin,
             uint64_t depth) {
  const Words words = *(const Words *)step;
  const Ints w[4] = {widenStep<0>(words), widenStep<1>(words), widenStep<2>(words),
                     widenStep<3>(words)};
#pragma clang loop unroll(full)
  for (int row = 0; row < Rows; ++row)
#pragma clang loop unroll(full)
    for (uint64_t i = 0; i < 4; ++i)
      if (i < depth)
        sums[row] = sums[row] + w[i] * Ints(int32_t(x[row][begin + i]));
}

/// `Rows` rows of 16 columns; `weights` points to their first tile.
template <int Rows, typename Source, typename Finish>
void multiplyBlock(const Product<Source> &p, const int8_t *weights, uint64_t row, uint64_t column,
                   Finish finish) {
  const int8_t *x[Rows];
  Ints sums[Rows];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r) {
    x[r] = p.source(row + uint64_t(r));
    sums[r] = 0;
  }
  const auto stepOf = [&](uint64_t k) {
    return weights + k / int8TileDepth * 2 * int8TileBytes + k % int8TileDepth / 4 * int8StepBytes;
  };
  uint64_t k = 0;
  for (; k + 4 <= p.k; k += 4)
    addStep<Rows>(sums, x, stepOf(k), k, 4);
  if (k < p.k)
    addStep<Rows>(sums, x, stepOf(k), k, p.k - k);
  const uint64_t count = p.n - column < lanes ? p.n - column : lanes;
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
    finish(row + uint64_t(r), column, count, sums[r]);
}

/// Rows rowBegin..rowEnd of the tile's columns. finish(row, column, count, sums) takes up to 16
/// sums at a time.
template <typename Source, typename Finish>
void multiply(const Tile &t, const Product<Source> &p, uint64_t rowBegin, uint64_t rowEnd,
              Finish finish) {
  const uint64_t pairs = (p.n + pairColumns - 1) / pairColumns;
  const uint64_t end = t.shareEnd(pairs) * pairColumns;
  for (uint64_t column = t.shareBegin(pairs) * pairColumns; column < end && column < p.n;
       column += lanes) {
    const int8_t *weights =
        p.weights + column / 32 * int8PanelBytes(p.k) + column % 32 / lanes * int8TileBytes;
    uint64_t row = rowBegin;
    for (; row + blockRows <= rowEnd; row += blockRows)
      multiplyBlock<blockRows>(p, weights, row, column, finish);
    for (; row < rowEnd; ++row)
      multiplyBlock<1>(p, weights, row, column, finish);
  }
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

/// Up to blockRows rows of one expert, all columns of them: those of the gate, and as many of up.
/// The rows are kept in T, as they would be in memory, until their scales are known.
template <int Rows, typename T>
void gateBlock(int8_t *out, float *outScale, const Grouped &g, uint64_t row, const int8_t *weights,
               const float *scales) {
  T kept[Rows][maxGatedRow];
  const uint64_t half = g.n / 2; // a multiple of the columns of a panel
  const auto source = [=](uint64_t r) { return g.x + g.inputRow(r) * g.k; };
  const Product<decltype(source)> product{source, weights, g.n, g.k};
  const auto tileOfColumn = [&](uint64_t column) {
    return weights + column / 32 * int8PanelBytes(g.k) + column % 32 / lanes * int8TileBytes;
  };
  const auto keep = [&](uint64_t r, uint64_t column, uint64_t count, Ints sums) {
    store(&kept[r - row][column], g.scaled(sums, r, scales, column, count));
  };
  const auto activate = [&](uint64_t r, uint64_t column, uint64_t count, Ints sums) {
    T *gate = &kept[r - row][column - half];
    store(gate, gated<T>(load(gate), roundTo<T>(g.scaled(sums, r, scales, column, count))));
  };
  for (uint64_t column = 0; column < half; column += lanes) {
    multiplyBlock<Rows>(product, tileOfColumn(column), row, column, keep);
    multiplyBlock<Rows>(product, tileOfColumn(half + column), row, half + column, activate);
  }
  for (int r = 0; r < Rows; ++r)
    outScale[row + uint64_t(r)] =
        dynamicQuantizeRow(out + (row + uint64_t(r)) * half, half, valuesOf(kept[r]));
}

template <typename T>
void groupedMatmulSwigluQuant(const Tile &t, int8_t *out, float *outScale, const Grouped &g) {
  g.forExperts(t, [&](uint64_t row, uint64_t end, const int8_t *weights, const float *scales) {
    for (; row + blockRows <= end; row += blockRows)
      gateBlock<blockRows, T>(out, outScale, g, row, weights, scales);
    for (; row < end; ++row)
      gateBlock<1, T>(out, outScale, g, row, weights, scales);
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
