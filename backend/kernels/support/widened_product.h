// Products of many rows by fused multiply-adds, for targets with 16 registers of 32 bytes (AVX2).
//
// Both sides are widened to float32 first: x once for up to 256 columns, and of the weights 256
// k-values of 16 columns at a time, which then stay in the first cache while blocks of six rows go
// by. Twelve of the registers are sums: as many chains as two multiply-adds a cycle need, and each
// broadcast of x serves two of them. An output is one chain over k = 0, 1, 2, .. whatever the
// blocks.
#pragma once

#include "support/int8.h"
#include "support/panel12.h"
#include "support/panel_range.h"
#include "support/panels.h"

namespace widened {

/// k-values that are multiplied at a time: 16 KiB of widened weights.
constexpr uint64_t chunk = 256;
/// Rows and panels whose sums are kept while the chunks go by, and rows of a block.
constexpr uint64_t slabRows = 96, slabPanels = 8, blockRows = 6;
constexpr uint64_t slabColumns = slabPanels * 32;
/// Rows from which this is faster than to widen weights in registers.
constexpr uint64_t minRows = 13;

/// A weight of `n` columns and `k` inputs as panels of T.
template <typename T> struct Panels {
  const T *weights;
  uint64_t k;

  Panels(const T *weights, uint64_t, uint64_t k) : weights(weights), k(k) {}
  uint64_t depth() const { return paddedDepth(k); }
  /// k-values from `begin` on of a panel.
  const T *at(uint64_t panel, uint64_t begin) const {
    return weights + panel * panelElements(k) + begin * 32;
  }
  /// What a panel has for `length` k-values.
  static uint64_t bytes(uint64_t length) { return length * 32 * sizeof(T); }
  /// `length` k-values of 16 columns of a panel as [k][16].
  void widen(float *to, uint64_t panel, uint64_t half, uint64_t begin, uint64_t length) const {
    const T *from = at(panel, begin) + half * Panel<T>::halfElements;
    for (uint64_t i = 0; i < length; i += 2) {
      const WeightPair w =
          Panel<T>::load(from + i / 32 * 1024 + i % 32 / 2 * Panel<T>::stepElements);
      *(Floats *)(to + i * lanes) = w.even;
      *(Floats *)(to + (i + 1) * lanes) = w.odd;
    }
  }
};

/// As Panel12.
template <> struct Panels<BFloat16> {
  Weight12 weight;
  uint64_t k;

  Panels(const BFloat16 *weights, uint64_t n, uint64_t k) : weight(weights, n, k), k(k) {}
  uint64_t depth() const { return paddedDepth(k); }
  const uint8_t *at(uint64_t panel, uint64_t begin) const {
    return weight.panel(panel).tile(begin / 32, 0);
  }
  static uint64_t bytes(uint64_t length) { return length / 32 * stepMainBytes; }
  void widen(float *to, uint64_t panel, uint64_t half, uint64_t begin, uint64_t length) const {
    const Panel12 from = weight.panel(panel);
    const ExponentTable table = from.table();
    alignas(64) BFloat16 tile[tileElements];
    for (uint64_t i = 0; i < length; i += 32) {
      expandTile(tile, from, (begin + i) / 32, half, table);
      for (uint64_t line = 0; line < 16; ++line, to += 2 * lanes) {
        const WeightPair w = Panel<BFloat16>::load(tile + line * 32);
        *(Floats *)to = w.even;
        *(Floats *)(to + lanes) = w.odd;
      }
    }
  }
};

template <> struct Panels<int8_t> {
  const int8_t *weights;
  uint64_t k;

  Panels(const int8_t *weights, uint64_t, uint64_t k) : weights(weights), k(k) {}
  uint64_t depth() const { return int8PanelBytes(k) / 32; }
  const int8_t *at(uint64_t panel, uint64_t begin) const {
    return weights + panel * int8PanelBytes(k) + begin * 32;
  }
  static uint64_t bytes(uint64_t length) { return length * 32; }
  void widen(float *to, uint64_t panel, uint64_t half, uint64_t begin, uint64_t length) const {
    const int8_t *from = at(panel, begin) + half * int8TileBytes;
    for (uint64_t i = 0; i < length; i += 4) {
      const Words step = *(const Words *)(from + i / 64 * 2 * int8TileBytes + i % 64 / 4 * 64);
      float *line = to + i * lanes;
      *(Floats *)line = __builtin_convertvector(widenStep<0>(step), Floats);
      *(Floats *)(line + lanes) = __builtin_convertvector(widenStep<1>(step), Floats);
      *(Floats *)(line + 2 * lanes) = __builtin_convertvector(widenStep<2>(step), Floats);
      *(Floats *)(line + 3 * lanes) = __builtin_convertvector(widenStep<3>(step), Floats);
    }
  }
};

/// Widens k-values begin..begin+length of one row; beyond K they are zero, as the padding of the
/// weights is.
template <typename T>
void widenRow(float *to, const T *row, uint64_t begin, uint64_t length, uint64_t k) {
  for (uint64_t i = 0; i < length; i += lanes) {
    const uint64_t left = k > begin + i ? k - begin - i : 0;
    store(to + i, left >= lanes ? load(row + begin + i) : loadPart(row + begin + i, left));
  }
}

/// Memory that the blocks of a tile fetch in shares.
struct Fetch {
  const char *at;
  uint64_t bytes;

  void share(uint64_t block, uint64_t blocks) const {
    const uint64_t lines = bytes / 64, end = (block + 1) * lines / blocks;
    for (uint64_t line = block * lines / blocks; line < end; ++line)
      __builtin_prefetch(at + line * 64, 0, 2);
  }
};

/// sums[row][i] += x[row][k] * weights[k][i] for `Rows` rows, 16 columns and k = 0, 1, .. length.
template <int Rows>
void addBlock(float *sums, const float (*x)[chunk], const float *weights, uint64_t length) {
  Floats sum[Rows];
#pragma clang loop unroll(full)
  for (int row = 0; row < Rows; ++row)
    sum[row] = load(sums + uint64_t(row) * slabColumns);
#pragma clang loop unroll_count(2)
  for (uint64_t k = 0; k < length; ++k) {
    const Floats w = *(const Floats *)(weights + k * lanes);
#pragma clang loop unroll(full)
    for (int row = 0; row < Rows; ++row)
      sum[row] = fma(splat(x[row][k]), w, sum[row]);
  }
#pragma clang loop unroll(full)
  for (int row = 0; row < Rows; ++row)
    store(sums + uint64_t(row) * slabColumns, sum[row]);
}

/// addBlock for `count` rows, in blocks as equal as they can be.
inline void addBlocks(float *sums, const float (*x)[chunk], uint64_t count, const float *weights,
                      uint64_t length, const Fetch &fetch) {
  const uint64_t blocks = (count + blockRows - 1) / blockRows;
  for (uint64_t block = 0; block < blocks; ++block) {
    fetch.share(block, blocks);
    const uint64_t row = block * count / blocks, rows = (block + 1) * count / blocks - row;
    float *to = sums + row * slabColumns;
    if (rows == 6)
      addBlock<6>(to, x + row, weights, length);
    else if (rows == 5)
      addBlock<5>(to, x + row, weights, length);
    else if (rows == 4)
      addBlock<4>(to, x + row, weights, length);
    else // from minRows on blocks have no less
      addBlock<3>(to, x + row, weights, length);
  }
}

/// The panels of a slab: `count` from `first` on, of each part.
struct SlabPanels {
  uint64_t first, count, parts, stride;

  uint64_t total() const { return count * parts; }
  uint64_t number(uint64_t i) const { return first + i % count + i / count * stride; }
};

/// The sums of rows row..row+count with the panels; a row is slabColumns. What comes after the last
/// chunk is fetched from panel `next`.
template <typename Source, typename Weights>
void sumSlab(float *sums, const Source &source, uint64_t row, uint64_t count, const Weights &w,
             const SlabPanels &panels, uint64_t next) {
  alignas(64) float x[slabRows][chunk];
  alignas(64) float weights[chunk * lanes];
  for (uint64_t r = 0; r < count; ++r)
    for (uint64_t i = 0; i < panels.total() * 32; i += lanes)
      store(sums + r * slabColumns + i, splat(0.0f));
  for (uint64_t begin = 0; begin < w.depth(); begin += chunk) {
    const uint64_t left = w.depth() - begin, length = left < chunk ? left : chunk;
    for (uint64_t r = 0; r < count; ++r)
      widenRow(x[r], source(row + r), begin, length, w.k);
    for (uint64_t i = 0; i < panels.total(); ++i) {
      const auto *fetched = i + 1 < panels.total() ? w.at(panels.number(i + 1), begin)
                            : length < left        ? w.at(panels.first, begin + length)
                                                   : w.at(next, 0);
      const uint64_t bytes = w.bytes(length) / 2;
      for (uint64_t half = 0; half < 2; ++half) {
        w.widen(weights, panels.number(i), half, begin, length);
        addBlocks(sums + i * 32 + half * lanes, x, count, weights, length,
                  {(const char *)fetched + half * bytes, bytes});
      }
    }
  }
}

/// Rows rowBegin..rowEnd, at least minRows, of the panels of `range`; source(r) is row r of x.
/// finish(row, column, count, sums) takes up to 16 sums at a time; of panels that belong together,
/// those of a later part right after those of the earlier one.
template <typename Source, typename Weights, typename Finish>
void multiply(const Source &source, const Weights &w, uint64_t n, uint64_t rowBegin,
              uint64_t rowEnd, const PanelRange &range, Finish finish) {
  alignas(64) float sums[slabRows * slabColumns];
  const uint64_t most = slabPanels / range.parts;
  // No slab has less than minRows.
  const uint64_t slabs = (rowEnd - rowBegin + slabRows - 1) / slabRows;
  for (uint64_t panel = range.begin; panel < range.end; panel += most) {
    const uint64_t count = range.end - panel < most ? range.end - panel : most;
    for (uint64_t slab = 0; slab < slabs; ++slab) {
      const uint64_t row = rowBegin + slab * (rowEnd - rowBegin) / slabs;
      const uint64_t rows = rowBegin + (slab + 1) * (rowEnd - rowBegin) / slabs - row;
      sumSlab(sums, source, row, rows, w, {panel, count, range.parts, range.stride},
              slab + 1 < slabs ? panel : panel + count);
      for (uint64_t r = 0; r < rows; ++r)
        for (uint64_t i = 0; i < count * 32; i += lanes)
          for (uint64_t part = 0; part < range.parts; ++part) {
            const uint64_t column = (panel + part * range.stride) * 32 + i;
            if (column < n)
              finish(row + r, column, n - column < lanes ? n - column : lanes,
                     load(sums + r * slabColumns + part * count * 32 + i));
          }
    }
  }
}

} // namespace widened
