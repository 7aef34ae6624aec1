// embedding and gather_rows: rows of a matrix, chosen by an index. An index out of range gives a
// row of zeros.
#include "support/kernel.h"

namespace {

template <typename T>
void gatherRows(const Tile &t, T *out, const T *from, const int32_t *index, uint64_t n,
                uint64_t limit) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {
    const bool legal = index[row] >= 0 && uint64_t(index[row]) < limit;
    const T *source = from + (legal ? uint64_t(index[row]) * n : 0);
    forLanes(n, [&](uint64_t i, uint64_t count) {
      const Floats values = legal ? loadUpTo(source + i, count) : splat(0.0f);
      storeUpTo(out + row * n + i, values, count);
    });
  }
}

} // namespace

#define EMBEDDING(T, name)                                                                         \
  extern "C" void vinci_embedding_##name(VINCI_COMMAND, uint64_t hidden, uint64_t vocab,           \
                                         VINCI_TILES) {                                            \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 2), input<int32_t>(buffers, 1), hidden, vocab);                   \
  }
#define GATHER_ROWS(T, name)                                                                       \
  extern "C" void vinci_gather_rows_##name(VINCI_COMMAND, uint64_t n, VINCI_TILES) {               \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 1), input<int32_t>(buffers, 2), n, dims[VINCI_DIM_TOKENS]);       \
  }
VINCI_FOR_EACH_TYPE(EMBEDDING)
VINCI_FOR_EACH_TYPE(GATHER_ROWS)
