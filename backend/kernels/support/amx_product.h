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

#include "support/amx_weight.h"
#include "support/panel_range.h"

/// Rows of x, one after the other, and the weight.
template <typename T> struct AmxProduct {
  const T *x; ///< row r is at x + r * k
  AmxWeight<T> weight;
  uint64_t k;

  static constexpr uint64_t depth = tileRowBytes / sizeof(T); ///< k-values of a tile
  uint64_t wholeSteps() const { return k / depth; }
  uint64_t steps() const { return (k + depth - 1) / depth; }
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
  typename detail::TileStream<Panels, T>::Memory memory;
  detail::TileStream<Panels, T> weights(p.weight, panels, p.steps(), &memory);
  zeroTile<0>();
  zeroTile<1>();
  if (Panels > 1) {
    zeroTile<2>();
    zeroTile<3>();
  }
  const auto step = [&](const void *x, uint64_t stride) VINCI_AMX {
    const T *type = nullptr;
    weights.ready();
    loadTile<4>(x, stride);
    loadTile<5>(weights.tile(0, 0), tileRowBytes);
    multiplyTiles<0, 4, 5>(type);
    loadTile<6>(weights.tile(0, 1), tileRowBytes);
    multiplyTiles<1, 4, 6>(type);
    if (Panels > 1) {
      loadTile<7>(weights.tile(Panels - 1, 0), tileRowBytes);
      multiplyTiles<2, 4, 7>(type);
      loadTile<5>(weights.tile(Panels - 1, 1), tileRowBytes);
      multiplyTiles<3, 4, 5>(type);
    }
    weights.next();
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
/// behind the left ones, the last values of rows, and weights that were expanded, of both parts;
/// of all blocks the sums from one stretch of K to the next.
template <typename T> struct BlockMemory {
  /// Rows that are multiplied at a time, and the blocks that they make.
  static constexpr uint64_t mostRows = 512, mostBlocks = 12;

  alignas(64) uint32_t sums[2][6 * 256];
  TailTile<T> tails[3];
  typename AmxWeight<T>::Scratch scratch[2];
  /// Of both parts: the weights of this stretch, and what is fetched of what comes next.
  const char *weights[2], *fetched[2];
  alignas(64) uint32_t kept[AmxWeight<T>::stretch < 1024 ? 2 * mostBlocks * 6 * 256 : 1];
};

/// Many rows: blocks of up to three row tiles and one panel. Its members are registers: what needs
/// an address is in a BlockMemory.
template <typename T, typename Finish> class AmxBlocks {
public:
  AmxBlocks(const AmxProduct<T> &product, uint64_t n, Finish finish, BlockMemory<T> *memory)
      : p_(product), n_(n), finish_(finish), memory_(memory) {}

  /// Rows from `row` on, 16 to 512, of the panels of `range`.
  void multiply(uint64_t row, uint64_t rows, const PanelRange &range) {
    const uint64_t tiles = (rows + tileRows - 1) / tileRows;
    const uint64_t linesPerStep =
        (AmxWeight<T>::bytesOfStep / 64 + (tiles + 2) / 3 - 1) / ((tiles + 2) / 3);
    for (uint64_t panel = range.begin; panel < range.end; ++panel)
      for (uint64_t begin = 0; begin < p_.steps(); begin += stretch_.count)
        multiplyStretch(row, rows, range, panel, begin, linesPerStep);
    finishUpTo(pending_.rows);
  }

private:
  static constexpr uint64_t half =
      3 * 256; ///< words from the sums of columns 0-15 to those of 16-31
  static constexpr uint64_t finishedPerStep = sizeof(T) == 1 ? 3 : 2;

  /// The steps begin .. begin + count of K.
  struct Stretch {
    uint64_t begin = 0, count = 0;
    bool isLast = false;
  };

  void multiplyStretch(uint64_t row, uint64_t rows, const PanelRange &range, uint64_t panel,
                       uint64_t begin, uint64_t linesPerStep) {
    const uint64_t steps = p_.steps(), left = steps - begin;
    stretch_.begin = begin;
    stretch_.count = left < AmxWeight<T>::stretch ? left : AmxWeight<T>::stretch;
    stretch_.isLast = stretch_.count == left;
#pragma clang loop unroll(disable)
    for (uint64_t part = 0; part < range.parts; ++part) {
      const uint64_t at = panel + part * range.stride;
      memory_->weights[part] = p_.weight.begin(at, begin, steps, memory_->scratch[part]);
      memory_->fetched[part] = stretch_.isLast ? p_.weight.at(at + 1, 0, steps)
                                               : p_.weight.at(at, begin + stretch_.count, steps);
    }
    const uint64_t tiles = (rows + tileRows - 1) / tileRows;
    uint32_t *kept = memory_->kept;
    for (uint64_t tile = 0; tile < tiles;) {
      const uint64_t left = tiles - tile;
      const uint64_t size = left == 4 ? 2 : left < 3 ? left : 3; // 2 + 2 rather than 3 + 1
      const uint64_t overlap = size == left ? tiles * tileRows - rows : 0;
      for (uint64_t part = 0; part < range.parts; ++part, kept += 6 * 256) {
        const Place place{
            tile == 0, row + tile * tileRows, overlap, panel + part * range.stride, part, kept};
        if (size == 3)
          block<3>(place, linesPerStep);
        else if (size == 2)
          block<2>(place, linesPerStep);
        else
          block<1>(place, linesPerStep);
      }
      tile += size;
    }
  }

  /// Where a block is, and whether it is the first of the stretch. Its last row tile begins
  /// `overlap` rows before the end of the one before it.
  struct Place {
    bool isFirst;
    uint64_t row, overlap, panel, part;
    uint32_t *kept; ///< its sums from one stretch to the next
  };

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

  template <int RowTiles> VINCI_AMX static void zeroSums() {
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
  }
  template <int RowTiles> VINCI_AMX static void loadSums(const uint32_t *sums) {
    loadTile<0>(sums, tileRowBytes);
    loadTile<3>(sums + half, tileRowBytes);
    if (RowTiles > 1) {
      loadTile<1>(sums + 256, tileRowBytes);
      loadTile<4>(sums + half + 256, tileRowBytes);
    }
    if (RowTiles > 2) {
      loadTile<2>(sums + 512, tileRowBytes);
      loadTile<5>(sums + half + 512, tileRowBytes);
    }
  }
  template <int RowTiles> VINCI_AMX static void storeSums(uint32_t *sums) {
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
  }

  /// `RowTiles` row tiles for a stretch of K.
  template <int RowTiles> VINCI_AMX void block(const Place &place, uint64_t linesPerStep) {
    const uint64_t row = place.row, overlap = place.overlap;
    if (stretch_.begin == 0)
      zeroSums<RowTiles>();
    else
      loadSums<RowTiles>(place.kept);
    uint64_t rowsOf[3];
    const char *x[3];
#pragma clang loop unroll(full)
    for (int i = 0; i < 3; ++i) {
      rowsOf[i] =
          row + uint64_t(i < RowTiles ? i : 0) * tileRows - (i + 1 == RowTiles ? overlap : 0);
      x[i] = (const char *)(p_.x + rowsOf[i] * p_.k) + stretch_.begin * tileRowBytes;
    }
    const char *weights = memory_->weights[place.part];
    const char *prefetched = memory_->fetched[place.part];
    const bool hasTail = stretch_.isLast && p_.wholeSteps() < p_.steps();
    typename AmxWeight<T>::Scratch &scratch = memory_->scratch[place.part];
    if (place.isFirst)
      AmxWeight<T>::expand(scratch, 0);
#pragma clang loop unroll(disable)
    for (uint64_t i = 0; i < stretch_.count - hasTail; ++i) {
      if (place.isFirst && i + 1 < stretch_.count)
        AmxWeight<T>::expand(scratch, i + 1);
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
    memory_->fetched[place.part] = prefetched;
    if (hasTail) {
#pragma clang loop unroll(full)
      for (int i = 0; i < RowTiles; ++i) {
        memory_->tails[i].fill(p_, rowsOf[i], tileRows);
        x[i] = (const char *)memory_->tails[i].values;
      }
      step<RowTiles>(x, tileRowBytes, weights);
    }
    if (!stretch_.isLast)
      return storeSums<RowTiles>(place.kept);
    finishUpTo(pending_.rows);
    uint32_t *sums = memory_->sums[next_ ^= 1];
    storeSums<RowTiles>(sums);
    pending_ = {sums, row, RowTiles * tileRows, 0, overlap, place.panel * 32};
  }

  const AmxProduct<T> p_;
  const uint64_t n_;
  const Finish finish_;
  BlockMemory<T> *const memory_;
  Pending pending_;
  Stretch stretch_;
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
    AmxBlocks<T, Finish> blocks(p, n, finish, &memory);
    // No slab has less than a tile of rows.
    const uint64_t slabs = (rows + BlockMemory<T>::mostRows - 1) / BlockMemory<T>::mostRows;
    for (uint64_t slab = 0; slab < slabs; ++slab) {
      const uint64_t first = slab * rows / slabs, end = (slab + 1) * rows / slabs;
      blocks.multiply(rowBegin + first, end - first, range);
    }
  }
  releaseTiles();
}
