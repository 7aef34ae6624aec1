// embedding and gather_rows: rows of a matrix, chosen by an index. An index out of range gives a
// row of zeros. join_columns: rows of matrices side by side.
#include "support/kernel.h"
#include "support/panel12.h"

namespace {

/// The rows of `from` have the indices start..start + limit.
template <typename T>
void gatherRows(const Tile &t, T *out, const T *from, const int32_t *index, uint64_t n,
                uint64_t limit, int64_t start) {
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

/// The same of a matrix that is packed to be multiplied by (support/panels.h, panel12.h): a row is
/// a column of its panel, two elements of 16 bits or one of 32 to a line.
template <typename T>
void gatherPanelRows(const Tile &t, T *out, const T *from, const int32_t *index, uint64_t n,
                     uint64_t limit, int64_t start) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {
    const int64_t place = index[row] - start;
    T *to = out + row * n;
    if (place < 0 || uint64_t(place) >= limit) {
      forLanes(n, [&](uint64_t i, uint64_t count) { storeUpTo(to + i, splat(0.0f), count); });
      continue;
    }
    const uint64_t column = uint64_t(place) % 32;
    if constexpr (isBFloat16<T>) {
      const Panel12 panel = Weight12(from, limit, n).panel(uint64_t(place) / 32);
      for (uint64_t k = 0; k < n; ++k)
        to[k] = elementOf(panel, column, k);
      continue;
    }
    const T *panel = from + uint64_t(place) / 32 * panelElements(n);
    if constexpr (sizeof(T) == sizeof(float)) {
      for (uint64_t k = 0; k < n; ++k)
        to[k] = panel[k * 32 + column];
    } else {
      constexpr uint64_t step = Panel<T>::stepElements, tile = 2 * Panel<T>::halfElements;
      const T *line = panel + column / 16 * Panel<T>::halfElements + column % 16 * 2;
      for (uint64_t k = 0; k < n; k += 2) {
        const T *pair = line + k / 32 * tile + k % 32 / 2 * step;
        to[k] = pair[0];
        if (k + 1 < n)
          to[k + 1] = pair[1];
      }
    }
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
                                         uint64_t sharded, uint64_t panels, VINCI_TILES) {         \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const int64_t start = sharded ? *input<int32_t>(buffers, 3) : 0;                               \
    if (panels)                                                                                    \
      gatherPanelRows(t, output<T>(buffers, 0), input<T>(buffers, 2), input<int32_t>(buffers, 1),  \
                      hidden, vocab, start);                                                       \
    else                                                                                           \
      gatherRows(t, output<T>(buffers, 0), input<T>(buffers, 2), input<int32_t>(buffers, 1),       \
                 hidden, vocab, start);                                                            \
  }
#define GATHER_ROWS(T, name)                                                                       \
  extern "C" void vinci_gather_rows_##name(VINCI_COMMAND, uint64_t n, VINCI_TILES) {               \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 1), input<int32_t>(buffers, 2), n, dims[VINCI_DIM_TOKENS], 0);    \
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
