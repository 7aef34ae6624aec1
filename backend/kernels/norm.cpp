// rms_norm: y = round(x / sqrt(mean(x^2) + eps)) * weight, rounded and plus the bias if there is
// one, each row of n elements by itself. add_rms_norm: the same of the sum of two rows, which it
// stores as well. rms_norm_quant: either, as int8.
#include "support/int8.h"
#include "support/kernel.h"
#include "support/rows.h"

namespace {

/// As `add`: the norm reads the sum as it was stored.
template <typename T> void addRow(T *sum, const T *a, const T *b, uint64_t n) {
  forLanes(n, [&](uint64_t i, uint64_t count) {
    storeUpTo(sum + i, loadUpTo(a + i, count) + loadUpTo(b + i, count), count);
  });
}

/// The weight in buffer `index`, and the bias behind it if there is one.
template <typename T> NormWeights<T> normWeights(void *const *buffers, int index, uint64_t bias) {
  return {input<T>(buffers, index), bias ? input<T>(buffers, index + 1) : nullptr};
}

/// The operands of rms_norm_quant; those that it lacks are null.
template <typename T> struct NormQuant {
  int8_t *out;
  float *outScale; ///< the rows have scales of their own
  T *sum;
  const T *x, *residual;
  NormWeights<T> weights;
  const float *scale, *offset;
};

template <typename T, typename C>
void rmsNormQuant(const Tile &t, const NormQuant<T> &o, uint64_t n, float eps) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {
    const T *x = o.x + row * n;
    if (o.residual) {
      addRow(o.sum + row * n, x, o.residual + row * n, n);
      x = o.sum + row * n;
    }
    const Floats factor = rmsFactor<T, C>(x, n, eps);
    const auto valueAt = [&](uint64_t i, uint64_t count) {
      return roundTo<T>(normalised(x, o.weights, factor, i, count));
    };
    if (o.outScale)
      o.outScale[row] = dynamicQuantizeRow(o.out + row * n, n, valueAt);
    else
      quantizeRow(o.out + row * n, n, *o.scale, *o.offset, valueAt);
  }
}

} // namespace

#define RMS_NORM(T, name, C, region)                                                               \
  extern "C" void vinci_rms_norm_##name##_##region(VINCI_COMMAND, uint64_t n, uint64_t,            \
                                                   double eps, uint64_t bias, VINCI_TILES) {       \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const NormWeights<T> weights = normWeights<T>(buffers, 2, bias);                               \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      rmsNormRow<T, C>(output<T>(buffers, 0) + row * n, input<T>(buffers, 1) + row * n, weights,   \
                       n, float(eps));                                                             \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(RMS_NORM)

#define ADD_RMS_NORM(T, name, C, region)                                                           \
  extern "C" void vinci_add_rms_norm_##name##_##region(VINCI_COMMAND, uint64_t n, uint64_t,        \
                                                       double eps, uint64_t bias, VINCI_TILES) {   \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const NormWeights<T> weights = normWeights<T>(buffers, 4, bias);                               \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {                                       \
      T *sum = output<T>(buffers, 1) + row * n;                                                    \
      addRow(sum, input<T>(buffers, 2) + row * n, input<T>(buffers, 3) + row * n, n);              \
      rmsNormRow<T, C>(output<T>(buffers, 0) + row * n, sum, weights, n, float(eps));              \
    }                                                                                              \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(ADD_RMS_NORM)

#define RMS_NORM_QUANT(T, name, C, region)                                                         \
  extern "C" void vinci_rms_norm_quant_##name##_##region(VINCI_COMMAND, uint64_t n, double eps,    \
                                                         uint64_t bias, uint64_t residual,         \
                                                         uint64_t dynamic, VINCI_TILES) {          \
    const int x = 1 + int(dynamic) + int(residual), weight = x + 1 + int(residual);                \
    const int by = weight + 1 + int(bias);                                                         \
    const NormQuant<T> operands = {output<int8_t>(buffers, 0),                                     \
                                   dynamic ? output<float>(buffers, 1) : nullptr,                  \
                                   residual ? output<T>(buffers, x - 1) : nullptr,                 \
                                   input<T>(buffers, x),                                           \
                                   residual ? input<T>(buffers, x + 1) : nullptr,                  \
                                   normWeights<T>(buffers, weight, bias),                          \
                                   dynamic ? nullptr : input<float>(buffers, by),                  \
                                   dynamic ? nullptr : input<float>(buffers, by + 1)};             \
    rmsNormQuant<T, C>(tileOf(dims, tile, symbol, scale, rowBlock, columns), operands, n,          \
                       float(eps));                                                                \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(RMS_NORM_QUANT)
