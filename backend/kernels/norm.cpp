// rms_norm: y = round(x / sqrt(mean(x^2) + eps)) * weight, each row of n elements by itself.
// add_rms_norm: the same of the sum of two rows, which it stores as well.
#include "support/kernel.h"
#include "support/rows.h"

namespace {

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
