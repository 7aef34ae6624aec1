// quantize and dynamic_quantize, and the products of what they make with int8 weights, packed as
// Panel32.
//
// Sums are int32 and exact, so they are the same however they are computed; here by widening each
// weight and one vector multiplication and addition per k. What comes after is float32, each
// element by itself.
#include "support/int8.h"
#include "support/kernel.h"

namespace {

/// Rows that share each weight that is loaded and widened.
constexpr int blockRows = 4;
constexpr uint64_t pairColumns = 64; // what the tile rule counts in

template <typename T>
void quantizeRow(int8_t *out, const T *x, uint64_t n, float scale, float offset) {
  forLanes(n, [&](uint64_t i, uint64_t count) {
    storeUpTo(out + i, roundToInt8(loadUpTo(x + i, count) / splat(scale) + splat(offset)), count);
  });
}

template <typename T> float dynamicQuantizeRow(int8_t *out, const T *x, uint64_t n) {
  // As integers, absolute values are ordered with infinity above all numbers and NaN above that.
  Ints largest = 0;
  forLanes(n, [&](uint64_t i, uint64_t count) {
    const Ints bits = __builtin_bit_cast(Ints, loadUpTo(x + i, count)) & 0x7fffffff;
    largest = __builtin_elementwise_max(largest, bits);
  });
  const float scale = __builtin_bit_cast(float, __builtin_reduce_max(largest)) / 127.0f;
  if (scale == 0.0f)
    forLanes(n, [&](uint64_t i, uint64_t count) { storeUpTo(out + i, Ints(0), count); });
  else
    quantizeRow(out, x, n, scale, 0.0f);
  return scale;
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

/// Rows are sorted by expert: those of expert e are offsets[e]..offsets[e + 1].
template <typename T>
void groupedDynamicQuantMatmul(const Tile &t, T *out, const int8_t *x, const float *scale,
                               const int32_t *rowOf, const int32_t *offsets, const int8_t *weights,
                               const float *weightScale, uint64_t n, uint64_t k,
                               uint64_t numExperts, uint64_t topK, bool gather) {
  const auto inputRow = [=](uint64_t row) { return gather ? uint64_t(rowOf[row]) / topK : row; };
  const auto source = [=](uint64_t row) { return x + inputRow(row) * k; };
  const uint64_t expertBytes = (n + 31) / 32 * int8PanelBytes(k);
  for (uint64_t expert = 0; expert < numExperts; ++expert) {
    const uint64_t first = uint64_t(offsets[expert]), last = uint64_t(offsets[expert + 1]);
    const uint64_t begin = first > t.rowBegin ? first : t.rowBegin;
    const uint64_t end = last < t.rowEnd ? last : t.rowEnd;
    if (begin >= end)
      continue;
    const float *expertScale = weightScale + expert * n;
    multiply(t, Product<decltype(source)>{source, weights + expert * expertBytes, n, k}, begin, end,
             [=](uint64_t row, uint64_t column, uint64_t count, Ints sums) {
               storeUpTo(out + row * n + column,
                         toFloats(sums) * splat(scale[inputRow(row)]) *
                             loadUpTo(expertScale + column, count),
                         count);
             });
  }
}

} // namespace

#define QUANTIZE(T, name)                                                                          \
  extern "C" void vinci_quantize_##name(VINCI_COMMAND, uint64_t n, VINCI_TILES) {                  \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      quantizeRow(output<int8_t>(buffers, 0) + row * n, input<T>(buffers, 1) + row * n, n,         \
                  *input<float>(buffers, 2), *input<float>(buffers, 3));                           \
  }
VINCI_FOR_EACH_TYPE(QUANTIZE)

#define DYNAMIC_QUANTIZE(T, name)                                                                  \
  extern "C" void vinci_dynamic_quantize_##name(VINCI_COMMAND, uint64_t n, uint64_t,               \
                                                VINCI_TILES) {                                     \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      output<float>(buffers, 1)[row] = dynamicQuantizeRow(output<int8_t>(buffers, 0) + row * n,    \
                                                          input<T>(buffers, 2) + row * n, n);      \
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
    groupedDynamicQuantMatmul(tileOf(dims, tile, symbol, scale, rowBlock, columns),                \
                              output<T>(buffers, 0), input<int8_t>(buffers, 1),                    \
                              input<float>(buffers, 2), input<int32_t>(buffers, 3),                \
                              input<int32_t>(buffers, 4), input<int8_t>(buffers, 5),               \
                              input<float>(buffers, 6), n, k, numExperts, topK, gather != 0);      \
  }
VINCI_FOR_EACH_TYPE(GROUPED_DYNAMIC_QUANT_MATMUL)
