// rms_norm: y = round(x / sqrt(mean(x^2) + eps)) * weight, each row of n elements by itself.
// add_rms_norm: the same of the sum of two rows, which it stores as well.
#include "support/kernel.h"

namespace {

/// Computes in C: float32, or T, in which every result is rounded (but for the running sum).
template <typename T, typename C>
void rmsNormRow(T *out, const T *x, const T *weight, uint64_t n, float eps) {
  Floats squares = splat(0.0f);
  forLanes(n, [&](uint64_t i, uint64_t count) {
    const Floats v = loadUpTo(x + i, count);
    squares = isFloat32<C> ? fma(v, v, squares) : squares + roundTo<C>(v * v);
  });
  const float mean = roundTo<C>(sumLanes(squares) / float(n));
  const float sum = roundTo<C>(mean + roundTo<C>(eps));
  const Floats factor = splat(roundTo<C>(1.0f / __builtin_elementwise_sqrt(sum)));
  // Hugging Face rounds the normalised value to the element type before it multiplies with the
  // weight.
  forLanes(n, [&](uint64_t i, uint64_t count) {
    const Floats normalised = roundTo<T>(loadUpTo(x + i, count) * factor);
    storeUpTo(out + i, normalised * loadUpTo(weight + i, count), count);
  });
}

/// As `add`: the norm reads the sum as it was stored.
template <typename T> void addRow(T *sum, const T *a, const T *b, uint64_t n) {
  forLanes(n, [&](uint64_t i, uint64_t count) {
    storeUpTo(sum + i, loadUpTo(a + i, count) + loadUpTo(b + i, count), count);
  });
}

} // namespace

#define RMS_NORM(T, name, C, region)                                                               \
  extern "C" void vinci_rms_norm_##name##_##region(VINCI_COMMAND, uint64_t n, uint64_t,            \
                                                   double eps, VINCI_TILES) {                      \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)                                         \
      rmsNormRow<T, C>(output<T>(buffers, 0) + row * n, input<T>(buffers, 1) + row * n,            \
                       input<T>(buffers, 2), n, float(eps));                                       \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(RMS_NORM)

#define ADD_RMS_NORM(T, name, C, region)                                                           \
  extern "C" void vinci_add_rms_norm_##name##_##region(VINCI_COMMAND, uint64_t n, uint64_t,        \
                                                       double eps, VINCI_TILES) {                  \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {                                       \
      T *sum = output<T>(buffers, 1) + row * n;                                                    \
      addRow(sum, input<T>(buffers, 2) + row * n, input<T>(buffers, 3) + row * n, n);              \
      rmsNormRow<T, C>(output<T>(buffers, 0) + row * n, sum, input<T>(buffers, 4), n, float(eps)); \
    }                                                                                              \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(ADD_RMS_NORM)
