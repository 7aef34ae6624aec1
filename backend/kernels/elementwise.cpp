// add, mul, silu and swiglu: elements by themselves; swiglu_quant: rows. A tile is a run of whole
// rows.
#include "support/activation.h"
#include "support/int8.h"
#include "support/kernel.h"

namespace {

template <typename T, typename Function>
void map(const Tile &t, T *out, const T *a, uint64_t n, Function function) {
  const uint64_t begin = t.rowBegin * n;
  forLanes((t.rowEnd - t.rowBegin) * n, [&](uint64_t i, uint64_t count) {
    storeUpTo(out + begin + i, function(loadUpTo(a + begin + i, count)), count);
  });
}

template <typename T, typename Function>
void map(const Tile &t, T *out, const T *a, const T *b, uint64_t n, Function function) {
  const uint64_t begin = t.rowBegin * n;
  forLanes((t.rowEnd - t.rowBegin) * n, [&](uint64_t i, uint64_t count) {
    const Floats result = function(loadUpTo(a + begin + i, count), loadUpTo(b + begin + i, count));
    storeUpTo(out + begin + i, result, count);
  });
}

/// Calls body(row, valueAt) for the rows of a tile; valueAt(i, count) gives the elements of the
/// gated linear unit from i on. Gate and up are two operands, or the halves of the rows of one.
template <typename T, typename Body>
void forGatedRows(const Tile &t, const T *gate, const T *up, uint64_t n, Body body) {
  const uint64_t stride = up ? n : 2 * n;
  up = up ? up : gate + n;
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)
    body(row, [=](uint64_t i, uint64_t count) {
      return gated<T>(loadUpTo(gate + row * stride + i, count),
                      loadUpTo(up + row * stride + i, count));
    });
}

template <typename T> void swiglu(const Tile &t, T *out, const T *gate, const T *up, uint64_t n) {
  forGatedRows(t, gate, up, n, [=](uint64_t row, auto valueAt) {
    forLanes(n, [&](uint64_t i, uint64_t count) {
      storeUpTo(out + row * n + i, valueAt(i, count), count);
    });
  });
}

/// With `outScale` the rows have scales of their own.
template <typename T>
void swigluQuant(const Tile &t, int8_t *out, float *outScale, const T *gate, const T *up,
                 const float *scale, const float *offset, uint64_t n) {
  forGatedRows(t, gate, up, n, [=](uint64_t row, auto valueAt) {
    const auto rounded = [&](uint64_t i, uint64_t count) { return roundTo<T>(valueAt(i, count)); };
    if (outScale)
      outScale[row] = dynamicQuantizeRow(out + row * n, n, rounded);
    else
      quantizeRow(out + row * n, n, *scale, *offset, rounded);
  });
}

} // namespace

#define ADD(T, name)                                                                               \
  extern "C" void vinci_add_##name(VINCI_COMMAND, uint64_t n, VINCI_TILES) {                       \
    map(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),               \
        input<T>(buffers, 1), input<T>(buffers, 2), n, [](Floats a, Floats b) { return a + b; });  \
  }
#define MUL(T, name)                                                                               \
  extern "C" void vinci_mul_##name(VINCI_COMMAND, uint64_t n, uint64_t, VINCI_TILES) {             \
    map(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),               \
        input<T>(buffers, 1), input<T>(buffers, 2), n, [](Floats a, Floats b) { return a * b; });  \
  }
#define SILU(T, name)                                                                              \
  extern "C" void vinci_silu_##name(VINCI_COMMAND, uint64_t n, uint64_t, VINCI_TILES) {            \
    map(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),               \
        input<T>(buffers, 1), n, [](Floats x) { return silu(x); });                                \
  }
#define SWIGLU(T, name)                                                                            \
  extern "C" void vinci_swiglu_##name(VINCI_COMMAND, uint64_t n, uint64_t, uint64_t twoOperands,   \
                                      VINCI_TILES) {                                               \
    swiglu(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),            \
           input<T>(buffers, 1), twoOperands ? input<T>(buffers, 2) : nullptr, n);                 \
  }
#define SWIGLU_QUANT(T, name)                                                                      \
  extern "C" void vinci_swiglu_quant_##name(VINCI_COMMAND, uint64_t n, uint64_t,                   \
                                            uint64_t twoOperands, uint64_t dynamic, VINCI_TILES) { \
    const int gate = dynamic ? 2 : 1, next = twoOperands ? gate + 2 : gate + 1;                    \
    swigluQuant(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<int8_t>(buffers, 0),  \
                dynamic ? output<float>(buffers, 1) : nullptr, input<T>(buffers, gate),            \
                twoOperands ? input<T>(buffers, gate + 1) : nullptr,                               \
                dynamic ? nullptr : input<float>(buffers, next),                                   \
                dynamic ? nullptr : input<float>(buffers, next + 1), n);                           \
  }
VINCI_FOR_EACH_TYPE(ADD)
VINCI_FOR_EACH_TYPE(MUL)
VINCI_FOR_EACH_TYPE(SILU)
VINCI_FOR_EACH_TYPE(SWIGLU)
VINCI_FOR_EACH_TYPE(SWIGLU_QUANT)
