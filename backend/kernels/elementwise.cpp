// add, mul, silu and swiglu: elements by themselves. A tile is a run of whole rows.
#include "support/kernel.h"
#include "support/math.h"

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

inline Floats silu(Floats x) {
  return x / (exp(-x) + 1.0f);
}

/// Rows of gate and up are `stride` elements apart. The activation is rounded as if stored.
template <typename T>
void swiglu(const Tile &t, T *out, const T *gate, const T *up, uint64_t n, uint64_t stride) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)
    forLanes(n, [&](uint64_t i, uint64_t count) {
      const Floats activated = roundTo<T>(silu(loadUpTo(gate + row * stride + i, count)));
      storeUpTo(out + row * n + i, activated * loadUpTo(up + row * stride + i, count), count);
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
    const T *gate = input<T>(buffers, 1);                                                          \
    swiglu(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0), gate,      \
           twoOperands ? input<T>(buffers, 2) : gate + n, n, twoOperands ? n : 2 * n);             \
  }
VINCI_FOR_EACH_TYPE(ADD)
VINCI_FOR_EACH_TYPE(MUL)
VINCI_FOR_EACH_TYPE(SILU)
VINCI_FOR_EACH_TYPE(SWIGLU)
