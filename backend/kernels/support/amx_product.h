// Products of rows with the panels of a weight on AMX, for bfloat16 (float32 sums) and int8 (int32
// sums).
//
// A sum is the chain of one tile product after another over the full K, whatever the blocking, so a
// row has the same bits in every batch. Up to 16 rows are one tile of as many rows, which reads the
// weights of two panels at the speed of memory. More rows are blocks of three row tiles and one
// panel: six sums, and each weight is read for 48 rows. What becomes of a block's sums is computed
// while the next block multiplies. The last row tile overlaps the one before it where the rows do
// not fill it; each row is finished once.
//
// docs/performance.md has what each of these is worth.
#pragma once

#include "support/amx.h"
#include "support/panel_range.h"

/// Rows of x, one after the other, and the weight.
template <typename T> struct AmxProduct {
  const T *x; ///< row r is at x + r * k
  const T *weights;
  uint64_t k;

  static constexpr uint64_t depth = tileRowBytes / sizeof(T); ///< k-values of a tile
  uint64_t wholeSteps() const { return k / depth; }
  uint64_t steps() const { return (k + depth - 1) / depth; }
  uint64_t panelBytes() const { return steps() * 2 * tileBytes; }
  const char *panel(uint64_t index) const { return (const char *)weights + index * panelBytes(); }
};

/// The last k-values of 16 rows, filled up with zeros: memory behind a row is another row.
template <typename T> struct TailTile {
  alignas(64) T values[tileRows * AmxProduct<T>::depth];

  void fill(const AmxProduct<T> &p, uint64_t row, uint64_t rows) {
    constexpr uint64_t depth = AmxProduct<T>::depth;
    const uint64_t done = p.wholeSteps() * depth;
    for (uint64_t r = 0; r < rows; ++r)
      for (uint64_t i = 0; i < depth; ++i)
        values[r * depth + i] = done + i < p.k ? p.x[(row + r) * p.k + done + i] : T{};
  }
};

namespace detail {

template <typename T> struct TileSums { using Vector = Floats; };
template <> struct TileSums<int8_t> { using Vector = Ints; };

/// The finish of one row of a panel whose sums lie in two tiles, `half` words apart.
template <typename T, typename Finish>
inline void finishRow(const uint32_t *sums, uint64_t half, uint64_t row, uint64_t column,
                      uint64_t n, Finish finish) {
  using Vector = typename TileSums<T>::Vector;
  const Vector left = *(const Vector *)sums, right = *(const Vector *)(sums + half);
  const uint64_t columns = n - column;
  if (n % 32 == 0) {
    finish(row, column, lanes, left);
    finish(row, column + lanes, lanes, right);
  } else {
    finish(row, column, columns < lanes ? columns : lanes, left);
    if (columns > lanes)
      finish(row, column + lanes, columns < 2 * lanes ? columns - lanes : lanes, right);
  }
}

} // namespace detail

/// Up to 16 rows from `row` on, tiles of as many rows; `Panels` (1 or 2) panels at once.
template <int Panels, typename T, typename Finish>
VINCI_AMX inline void multiplyFewRows(const AmxProduct<T> &p, uint64_t row, uint64_t rows,
                                      const TailTile<T> &tail, const uint64_t (&panels)[Panels],
                                      uint64_t n, Finish finish) {
  constexpr uint64_t ahead = 2048;
  const char *weights[2];
  weights[0] = p.panel(panels[0]);
  weights[1] = p.panel(panels[Panels - 1]);
  zeroTile<0>();
  zeroTile<1>();
  if (Panels > 1) {
    zeroTile<2>();
    zeroTile<3>();
  }
  const auto prefetch = [](const char *tile) {
#pragma clang loop unroll(full)
    for (int line = 0; line < 16; ++line)
      __builtin_prefetch(tile + ahead + line * 64);
  };
  const auto step = [&](const void *x, uint64_t stride) VINCI_AMX {
    const T *type = nullptr;
    loadTile<4>(x, stride);
    prefetch(weights[0]);
    loadTile<5>(weights[0], tileRowBytes);
    multiplyTiles<0, 4, 5>(type);
    prefetch(weights[0] + tileBytes);
    loadTile<6>(weights[0] + tileBytes, tileRowBytes);
    multiplyTiles<1, 4, 6>(type);
    if (Panels > 1) {
      prefetch(weights[1]);
      loadTile<7>(weights[1], tileRowBytes);
      multiplyTiles<2, 4, 7>(type);
      prefetch(weights[1] + tileBytes);
      loadTile<5>(weights[1] + tileBytes, tileRowBytes);
      multiplyTiles<3, 4, 5>(type);
    }
    weights[0] += 2 * tileBytes;
    weights[1] += 2 * tileBytes;
  };
  const char *x = (const char *)(p.x + row * p.k);
#pragma clang loop unroll(disable)
  for (uint64_t i = 0; i < p.wholeSteps(); ++i, x += tileRowBytes)
    step(x, p.k * sizeof(T));
  if (p.wholeSteps() < p.steps())
    step(tail.values, tileRowBytes);

  alignas(64) uint32_t sums[4 * 256];
  storeTile<0>(sums);
  storeTile<1>(sums + 256);
  if (Panels > 1) {
    storeTile<2>(sums + 512);
    storeTile<3>(sums + 768);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < Panels; ++i)
    for (uint64_t r = 0; r < rows; ++r)
      detail::finishRow<T>(sums + i * 512 + r * lanes, 256, row + r, panels[i] * 32, n, finish);
}

/// What blocks of many rows keep in memory: the sums of two of them, as tiles, the right columns
/// behind the left ones, and the last values of rows.
template <typename T> struct BlockMemory {
  alignas(64) uint32_t sums[2][6 * 256];
  TailTile<T> tails[3];
};

/// Many rows: blocks of up to three row tiles and one panel. Its members are registers: what needs
/// an address is in a BlockMemory.
template <typename T, typename Finish> class AmxBlocks {
public:
  AmxBlocks(const AmxProduct<T> &product, uint64_t n, Finish finish, BlockMemory<T> *memory)
      : p_(product), n_(n), finish_(finish), memory_(memory) {}

  /// Rows from `row` on, at least 16, of the panels of `range`.
  void multiply(uint64_t row, uint64_t rows, const PanelRange &range) {
    const uint64_t tiles = (rows + tileRows - 1) / tileRows;
    const uint64_t blocks = (tiles + 2) / 3;
    const uint64_t linesPerStep = (32 + blocks * range.parts - 1) / (blocks * range.parts);
    for (uint64_t panel = range.begin; panel < range.end; ++panel) {
      prefetched_ = p_.panel(panel + 1);
      for (uint64_t tile = 0; tile < tiles;) {
        const uint64_t left = tiles - tile;
        const uint64_t size = left == 4 ? 2 : left < 3 ? left : 3; // 2 + 2 rather than 3 + 1
        const uint64_t overlap = size == left ? tiles * tileRows - rows : 0;
        for (uint64_t part = 0; part < range.parts; ++part) {
          const uint64_t at = panel + part * range.stride;
          if (size == 3)
            block<3>(row + tile * tileRows, overlap, at, linesPerStep);
          else if (size == 2)
            block<2>(row + tile * tileRows, overlap, at, linesPerStep);
          else
            block<1>(row + tile * tileRows, overlap, at, linesPerStep);
        }
        tile += size;
      }
    }
    finishUpTo(pending_.rows);
  }

private:
  static constexpr uint64_t half =
      3 * 256; ///< words from the sums of columns 0-15 to those of 16-31
  static constexpr uint64_t finishedPerStep = sizeof(T) == 1 ? 3 : 2;

  /// The block whose sums are to be finished. Its last row tile begins `overlap` rows before the
  /// end of the one before it.
  struct Pending {
    const uint32_t *sums = nullptr;
    uint64_t row = 0, rows = 0, finished = 0, overlap = 0, column = 0;
  };

  /// Rows that the last row tile shares with the one before it are finished there.
  void finishUpTo(uint64_t count) {
#pragma clang loop unroll(disable)
    for (; pending_.finished < count; ++pending_.finished) {
      const uint64_t at = pending_.finished, last = pending_.rows - tileRows;
      if (at >= last && at < last + pending_.overlap)
        continue;
      detail::finishRow<T>(pending_.sums + at * lanes, half,
                           pending_.row + at - (at < last ? 0 : pending_.overlap), pending_.column,
                           n_, finish_);
    }
  }

  template <int RowTiles>
  VINCI_AMX static void step(const char *const (&x)[3], uint64_t stride, const char *weights) {
    const T *type = nullptr;
    loadTile<6>(weights, tileRowBytes);
    loadTile<7>(x[0], stride);
    multiplyTiles<0, 7, 6>(type);
    if (RowTiles == 3) {
      // Each of x once: its rows may lie a power of two apart, and then they push each other out of
      // the first cache. The weights are read twice from there.
      loadTile<6>(weights + tileBytes, tileRowBytes);
      multiplyTiles<3, 7, 6>(type);
      loadTile<7>(x[1], stride);
      multiplyTiles<4, 7, 6>(type);
      loadTile<6>(weights, tileRowBytes);
      multiplyTiles<1, 7, 6>(type);
      loadTile<7>(x[2], stride);
      multiplyTiles<2, 7, 6>(type);
      loadTile<6>(weights + tileBytes, tileRowBytes);
      multiplyTiles<5, 7, 6>(type);
    } else if (RowTiles == 2) {
      loadTile<5>(x[1], stride);
      multiplyTiles<1, 5, 6>(type);
      loadTile<6>(weights + tileBytes, tileRowBytes);
      multiplyTiles<4, 5, 6>(type);
      multiplyTiles<3, 7, 6>(type);
    } else {
      loadTile<6>(weights + tileBytes, tileRowBytes);
      multiplyTiles<3, 7, 6>(type);
    }
  }

  /// `RowTiles` row tiles from `row` on, the last one `overlap` rows earlier.
  template <int RowTiles>
  VINCI_AMX void block(uint64_t row, uint64_t overlap, uint64_t panel, uint64_t linesPerStep) {
    zeroTile<0>();
    zeroTile<3>();
    if (RowTiles > 1) {
      zeroTile<1>();
      zeroTile<4>();
    }
    if (RowTiles > 2) {
      zeroTile<2>();
      zeroTile<5>();
    }
    uint64_t rowsOf[3];
    const char *x[3];
#pragma clang loop unroll(full)
    for (int i = 0; i < 3; ++i) {
      rowsOf[i] =
          row + uint64_t(i < RowTiles ? i : 0) * tileRows - (i + 1 == RowTiles ? overlap : 0);
      x[i] = (const char *)(p_.x + rowsOf[i] * p_.k);
    }
    const char *weights = p_.panel(panel), *prefetched = prefetched_;
#pragma clang loop unroll(disable)
    for (uint64_t i = 0; i < p_.wholeSteps(); ++i) {
      step<RowTiles>(x, p_.k * sizeof(T), weights);
      const char *end = prefetched + linesPerStep * 64;
#pragma clang loop unroll(disable)
      for (; prefetched < end; prefetched += 64)
        __builtin_prefetch(prefetched, 0, 2);
#pragma clang loop unroll(full)
      for (int r = 0; r < 3; ++r)
        x[r] += tileRowBytes;
      weights += 2 * tileBytes;
      const uint64_t target = pending_.finished + finishedPerStep;
      finishUpTo(target < pending_.rows ? target : pending_.rows);
    }
    prefetched_ = prefetched;
    if (p_.wholeSteps() < p_.steps()) {
#pragma clang loop unroll(full)
      for (int i = 0; i < RowTiles; ++i) {
        memory_->tails[i].fill(p_, rowsOf[i], tileRows);
        x[i] = (const char *)memory_->tails[i].values;
      }
      step<RowTiles>(x, tileRowBytes, weights);
    }
    finishUpTo(pending_.rows);

    uint32_t *sums = memory_->sums[next_ ^= 1];
    storeTile<0>(sums);
    storeTile<3>(sums + half);
    if (RowTiles > 1) {
      storeTile<1>(sums + 256);
      storeTile<4>(sums + half + 256);
    }
    if (RowTiles > 2) {
      storeTile<2>(sums + 512);
      storeTile<5>(sums + half + 512);
    }
    pending_ = {sums, row, RowTiles * tileRows, 0, overlap, panel * 32};
  }

  const AmxProduct<T> p_;
  const uint64_t n_;
  const Finish finish_;
  BlockMemory<T> *const memory_;
  Pending pending_;
  const char *prefetched_ = nullptr;
  uint32_t next_ = 0;
};

/// Rows rowBegin..rowEnd of the panels of `range` of a weight with n columns. finish(row, column,
/// count, sums) takes up to 16 sums at a time; of panels that belong together, those of a later
/// part after those of the earlier ones.
template <typename T, typename Finish>
VINCI_AMX inline void multiplyOnTiles(const AmxProduct<T> &p, uint64_t n, uint64_t rowBegin,
                                      uint64_t rowEnd, const PanelRange &range, Finish finish) {
  const uint64_t rows = rowEnd - rowBegin;
  if (rows == 0 || range.begin >= range.end)
    return;
  configureTiles(rows < tileRows ? rows : tileRows);
  if (rows <= tileRows) {
    TailTile<T> tail;
    if (p.wholeSteps() < p.steps())
      tail.fill(p, rowBegin, rows);
    if (range.parts == 2)
      for (uint64_t panel = range.begin; panel < range.end; ++panel)
        multiplyFewRows<2>(p, rowBegin, rows, tail, {panel, panel + range.stride}, n, finish);
    else
      for (uint64_t panel = range.begin; panel < range.end; panel += 2)
        if (panel + 1 < range.end)
          multiplyFewRows<2>(p, rowBegin, rows, tail, {panel, panel + 1}, n, finish);
        else
          multiplyFewRows<1>(p, rowBegin, rows, tail, {panel}, n, finish);
  } else {
    BlockMemory<T> memory;
    AmxBlocks<T, Finish>(p, n, finish, &memory).multiply(rowBegin, rows, range);
  }
  releaseTiles();
}
