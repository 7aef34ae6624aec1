// embedding and gather_rows: rows of a matrix, chosen by an index. An index out of range gives a
// row of zeros. join_columns: rows of matrices side by side.
#include "support/kernel.h"

namespace {

/// The rows of `from` have the indices start..start + limit.
template <typename T>
void gatherRows(const Tile &t, T *out, const T *from, const int32_t *index, uint64_t n,
                uint64_t limit, int64_t start = 0) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {
    const int64_t place = index[row] - start;
    const bool legal = place >= 0 && uint64_t(place) < limit;
    const T *source = from + (legal ? uint64_t(place) * n : 0);
    forLanes(n, [&](uint64_t i, uint64_t count) {
      const Floats values = legal ? loadUpTo(source + i, count) : splat(0.0f);
      storeUpTo(out + row * n + i, values, count);
    });
  }
}

/// Row t of the result is row t of each of the matrices in `from`, which stand one below the other.
template <typename T>
void joinColumns(const Tile &t, T *out, const T *from, uint64_t rows, uint64_t n, uint64_t part) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)
    for (uint64_t begin = 0; begin < n; begin += part) {
      const T *source = from + (begin / part * rows + row) * part;
      forLanes(n - begin < part ? n - begin : part, [&](uint64_t i, uint64_t count) {
        storeUpTo(out + row * n + begin + i, loadUpTo(source + i, count), count);
      });
    }
}

} // namespace

#define EMBEDDING(T, name)                                                                         \
  extern "C" void vinci_embedding_##name(VINCI_COMMAND, uint64_t hidden, uint64_t vocab,           \
                                         uint64_t sharded, VINCI_TILES) {                          \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 2), input<int32_t>(buffers, 1), hidden, vocab,                    \
               sharded ? *input<int32_t>(buffers, 3) : 0);                                         \
  }
#define GATHER_ROWS(T, name)                                                                       \
  extern "C" void vinci_gather_rows_##name(VINCI_COMMAND, uint64_t n, VINCI_TILES) {               \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 1), input<int32_t>(buffers, 2), n, dims[VINCI_DIM_TOKENS]);       \
  }
#define JOIN_COLUMNS(T, name)                                                                      \
  extern "C" void vinci_join_columns_##name(VINCI_COMMAND, uint64_t n, uint64_t part,              \
                                            VINCI_TILES) {                                         \
    joinColumns(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),       \
                input<T>(buffers, 1), dims[symbol] * scale, n, part);                              \
  }
VINCI_FOR_EACH_TYPE(JOIN_COLUMNS)
VINCI_FOR_EACH_TYPE(EMBEDDING)
VINCI_FOR_EACH_TYPE(GATHER_ROWS)
