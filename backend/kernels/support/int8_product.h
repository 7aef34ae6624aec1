// Products of rows of int8 with an int8 weight packed as Panel32: exact int32 sums at the speed of
// the target's instructions.
//
//   amx          tiles, from five rows on: support/amx_product.h
//   avx512-vnni  vpdpbusd: 4 products and 4 additions in each lane. It takes one operand without a
//                sign: the weights + 128, so that 128 times the sum of the row comes off at the
//                start. That is one sum for each row of x, whatever the columns.
//   others       vpmaddwd on values widened to 16 bits: 2 products and an addition. Nothing
//                saturates on the way, as vpmaddubsw would.
//
// Integer sums are exact and wrap, so neither the path nor the order shows in them.
#pragma once

#include "support/amx_product.h"
#include "support/int8.h"
#include "support/kernel.h"

namespace int8 {

/// k-values that are multiplied at a time: the weights of a panel pair, 32 KiB, then stay close for
/// all rows.
constexpr uint64_t chunk = 512;
/// Rows and columns whose sums are kept while the chunks go by.
constexpr uint64_t slabRows = 96, slabColumns = 64;

/// Rows of x, one after the other or, with `rowOf`, each that of the pair of token and choice that
/// stands at its place, times a weight [n, k].
struct Product {
  const int8_t *x;
  const int32_t *rowOf;
  uint64_t topK;
  const int8_t *weights;
  uint64_t n, k;

  uint64_t inputRow(uint64_t row) const { return rowOf ? uint64_t(rowOf[row]) / topK : row; }
  const int8_t *source(uint64_t row) const { return x + inputRow(row) * k; }
};

using Halves = int16_t __attribute__((ext_vector_type(32)));
using Bytes = int8_t __attribute__((ext_vector_type(64)));
typedef uint32_t UnalignedWord __attribute__((aligned(1)));

/// `count` (1 to 4) values of a row as one word; the others are zero and their memory is not
/// touched.
inline uint32_t wordOf(const int8_t *x, uint64_t count) {
  if (count == 4)
    return *(const UnalignedWord *)x;
  uint32_t word = 0;
#pragma clang loop unroll(full)
  for (uint64_t i = 0; i < 3; ++i)
    if (i < count)
      word |= uint32_t(uint8_t(x[i])) << 8 * i;
  return word;
}

// Functions for a target take vectors by reference: others could not pass theirs by value.

/// Four values of k of up to 16 columns, or of one row in all lanes, as vpdpbusd takes them.
struct DotProducts {
  static constexpr uint64_t prefetchAhead = 2048; ///< bytes, in each panel: what is fastest
  using Weights = Words;
  static Words weights(Words step) { return step ^ 0x80808080u; }
  static Words inputs(uint32_t word) { return Words(word); }

  __attribute__((target("avx512f,avx512vnni"))) static void add(Ints &sums, const Words &w,
                                                                const Words &x) {
    using Signed = int __attribute__((vector_size(64)));
    sums = (Ints)__builtin_ia32_vpdpbusd512((Signed)sums, (Signed)w, (Signed)x);
  }

  /// What the sums of a row begin with: all its weights count 128 too much.
  static int32_t start(const int8_t *x, uint64_t k) {
    typedef Words UnalignedWords __attribute__((aligned(1)));
    Ints sums = 0;
    uint64_t i = 0;
    for (; i + 64 <= k; i += 64) {
      const Words values = *(const UnalignedWords *)(x + i);
      add(sums, Words(0x01010101u), values);
    }
    uint32_t sum = uint32_t(__builtin_reduce_add(sums));
    for (; i < k; ++i)
      sum += uint32_t(int32_t(x[i]));
    return int32_t(-128 * sum);
  }
};

/// The same as 16-bit numbers: k and k + 2 in `even`, k + 1 and k + 3 in `odd`.
struct Pairs {
  static constexpr uint64_t prefetchAhead = 4096;
  struct Weights {
    Halves even, odd;
  };
  static Weights weights(Words step) {
    const Halves bytes = __builtin_bit_cast(Halves, step);
    return {(bytes << 8) >> 8, bytes >> 8};
  }
  static Weights inputs(uint32_t word) { return weights(Words(word)); }
  static void add(Ints &sums, const Weights &w, const Weights &x) {
    addProducts(sums, w.even, x.even);
    addProducts(sums, w.odd, x.odd);
  }
  static int32_t start(const int8_t *, uint64_t) { return 0; }

private:
  static void addProducts(Ints &sums, const Halves &a, const Halves &b) {
    if (vinciVectorBytes == 64)
      addWide(sums, a, b);
    else
      addHalves(sums, a, b);
  }
  __attribute__((target("avx512bw"))) static void addWide(Ints &sums, const Halves &a,
                                                          const Halves &b) {
    using Signed = short __attribute__((vector_size(64)));
    sums = sums + (Ints)__builtin_ia32_pmaddwd512((Signed)a, (Signed)b);
  }
  __attribute__((target("avx2"))) static void addHalves(Ints &sums, const Halves &a,
                                                        const Halves &b) {
    using Signed = short __attribute__((vector_size(32)));
    using HalfInts = int32_t __attribute__((ext_vector_type(8)));
    const auto low = (HalfInts)__builtin_ia32_pmaddwd256((Signed)a.lo, (Signed)b.lo);
    const auto high = (HalfInts)__builtin_ia32_pmaddwd256((Signed)a.hi, (Signed)b.hi);
    sums = sums +
           __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
};

/// Adds x * w of `depth` (1 to 4) values of k. `ahead`: bytes from what is read to what is
/// prefetched.
template <typename Path, int Rows, int Tiles>
void addStep(Ints (&sums)[Rows][Tiles], const int8_t *const (&x)[Rows], uint64_t k,
             const int8_t *step, uint64_t panelStride, uint64_t ahead, uint64_t depth) {
  typename Path::Weights w[Tiles];
#pragma clang loop unroll(full)
  for (int tile = 0; tile < Tiles; ++tile) {
    const int8_t *line = step + tile / 2 * panelStride + tile % 2 * int8TileBytes;
    __builtin_prefetch(line + ahead);
    w[tile] = Path::weights(*(const Words *)line);
  }
#pragma clang loop unroll(full)
  for (int row = 0; row < Rows; ++row) {
    const auto values = Path::inputs(wordOf(x[row] + k, depth));
#pragma clang loop unroll(full)
    for (int tile = 0; tile < Tiles; ++tile)
      Path::add(sums[row][tile], w[tile], values);
  }
}

/// sums[row][column] += x * w for k from `begin` to `end`, of `Rows` rows and `Tiles` * 16 columns.
/// `weights` points to the first column's tile.
template <typename Path, int Rows, int Tiles>
void addProducts(int32_t *sums, const Product &p, uint64_t row, const int8_t *weights,
                 uint64_t begin, uint64_t end) {
  const int8_t *x[Rows];
  Ints sum[Rows][Tiles];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r) {
    x[r] = p.source(row + uint64_t(r));
#pragma clang loop unroll(full)
    for (int tile = 0; tile < Tiles; ++tile)
      sum[r][tile] = *(const Ints *)(sums + uint64_t(r) * slabColumns + uint64_t(tile) * lanes);
  }
  const uint64_t stride = int8PanelBytes(p.k);
  for (uint64_t first = begin; first < end; first += int8TileDepth) {
    const int8_t *step = weights + first * 32;
    // At its end each panel goes on with the one after next: that of the next pair.
    const uint64_t near = Path::prefetchAhead;
    const uint64_t ahead = near + (first * 32 + near < stride ? 0 : stride);
    const uint64_t last = end - first < int8TileDepth ? end : first + int8TileDepth;
    uint64_t k = first;
#pragma clang loop unroll_count(Rows > 2 ? 1 : 4)
    for (; k + 4 <= last; k += 4, step += int8StepBytes)
      addStep<Path, Rows, Tiles>(sum, x, k, step, stride, ahead, 4);
    if (k < last)
      addStep<Path, Rows, Tiles>(sum, x, k, step, stride, ahead, last - k);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int tile = 0; tile < Tiles; ++tile)
      *(Ints *)(sums + uint64_t(r) * slabColumns + uint64_t(tile) * lanes) = sum[r][tile];
}

/// One block of rows and the pair's 2 or 4 column tiles, `Tiles` at a time.
template <typename Path, int Rows, int Tiles>
void addRows(int32_t *sums, const Product &p, uint64_t row, const int8_t *weights, uint64_t begin,
             uint64_t end, uint64_t tiles) {
  for (uint64_t tile = 0; tile < tiles; tile += Tiles)
    addProducts<Path, Rows, Tiles>(
        sums + tile * lanes, p, row,
        weights + tile / 2 * int8PanelBytes(p.k) + tile % 2 * int8TileBytes, begin, end);
}

/// Blocks of `Rows` rows, and what is left of them in smaller blocks.
template <typename Path, int Rows, int Tiles>
void addBlocks(int32_t *sums, const Product &p, uint64_t row, uint64_t count, const int8_t *weights,
               uint64_t begin, uint64_t end, uint64_t tiles) {
  uint64_t r = 0;
  for (; r + Rows <= count; r += Rows)
    if (tiles >= Tiles)
      addRows<Path, Rows, Tiles>(sums + r * slabColumns, p, row + r, weights, begin, end, tiles);
    else
      addRows<Path, Rows, 2>(sums + r * slabColumns, p, row + r, weights, begin, end, tiles);
  constexpr int fewer = Rows > 4 ? 4 : Rows / 2;
  if constexpr (fewer > 0)
    if (r < count)
      addBlocks<Path, fewer, 4>(sums + r * slabColumns, p, row + r, count - r, weights, begin, end,
                                tiles);
}

/// The sums of up to slabRows rows with the pair of panels, 2 or 4 tiles, from `weights` on.
template <typename Path, int Rows, int Tiles>
void sumOn(int32_t *sums, const Product &p, uint64_t row, uint64_t count, const int8_t *weights,
           uint64_t tiles) {
  for (uint64_t r = 0; r < count; ++r) {
    const Ints start = Path::start(p.source(row + r), p.k);
    for (uint64_t tile = 0; tile < tiles; ++tile)
      *(Ints *)(sums + r * slabColumns + tile * lanes) = start;
  }
  for (uint64_t begin = 0; begin < p.k; begin += chunk)
    addBlocks<Path, Rows, Tiles>(sums, p, row, count, weights, begin,
                                 p.k - begin < chunk ? p.k : begin + chunk, tiles);
}

/// On the target's path, with as many rows as it has registers for.
inline void sumSlab(int32_t *sums, const Product &p, uint64_t row, uint64_t count, uint64_t panel,
                    uint64_t tiles) {
  const int8_t *weights = p.weights + panel * int8PanelBytes(p.k);
  if (vinciHasVnni != 0)
    sumOn<DotProducts, 6, 4>(sums, p, row, count, weights, tiles);
  else if (vinciVectorBytes == 64)
    sumOn<Pairs, 4, 4>(sums, p, row, count, weights, tiles);
  else
    sumOn<Pairs, 2, 2>(sums, p, row, count, weights, tiles);
}

/// Up to slabRows rows of two panels, or of one where the columns end.
template <typename Finish>
void multiplySlab(const Product &p, uint64_t row, uint64_t count, uint64_t panel, Finish finish) {
  alignas(64) int32_t sums[slabRows * slabColumns];
  const uint64_t firstColumn = panel * 32;
  const uint64_t columns = p.n - firstColumn < slabColumns ? p.n - firstColumn : slabColumns;
  sumSlab(sums, p, row, count, panel, columns <= 32 ? 2 : 4);
  for (uint64_t r = 0; r < count; ++r)
    forLanes(columns, [&](uint64_t i, uint64_t lanesHere) {
      finish(row + r, firstColumn + i, lanesHere, *(const Ints *)(sums + r * slabColumns + i));
    });
}

/// Rows from which tiles of AMX are faster than vpdpbusd.
constexpr uint64_t minAmxRows = 5;
/// Elements of the stack that gathered rows are copied to, and rows at a time.
constexpr uint64_t maxCopiedElements = 128 * 1024, maxCopiedRows = 96;

/// On AMX, which needs rows that stand one after the other.
template <typename Finish>
void multiplyTiles(const Product &p, uint64_t rowBegin, uint64_t rowEnd, const PanelRange &range,
                   Finish finish) {
  if (!p.rowOf)
    return multiplyOnTiles(AmxProduct<int8_t>{p.x, {p.weights}, p.k}, p.n, rowBegin, rowEnd, range,
                           finish);
  alignas(64) int8_t rows[maxCopiedElements];
  const uint64_t fitting = maxCopiedElements / p.k;
  const uint64_t most = fitting < maxCopiedRows ? fitting : maxCopiedRows;
  for (uint64_t row = rowBegin; row < rowEnd; row += most) {
    const uint64_t count = rowEnd - row < most ? rowEnd - row : most;
    for (uint64_t r = 0; r < count; ++r)
      copyRow(rows + r * p.k, p.source(row + r), p.k);
    multiplyOnTiles(AmxProduct<int8_t>{rows, {p.weights}, p.k}, p.n, 0, count, range,
                    [=](uint64_t r, uint64_t column, uint64_t columns, Ints sums) {
                      finish(row + r, column, columns, sums);
                    });
  }
}

/// Rows rowBegin..rowEnd of the panels of `range`. finish(row, column, count, sums) takes up to 16
/// sums at a time; of panels that belong together, those of a later part after those of the earlier
/// ones. Ranges begin with a panel pair.
template <typename Finish>
void multiply(const Product &p, uint64_t rowBegin, uint64_t rowEnd, const PanelRange &range,
              Finish finish) {
  if (vinciHasAmx != 0 && rowEnd - rowBegin >= minAmxRows &&
      (!p.rowOf || p.k <= maxCopiedElements / tileRows))
    return multiplyTiles(p, rowBegin, rowEnd, range, finish);
  for (uint64_t panel = range.begin; panel < range.end; panel += 2)
    for (uint64_t row = rowBegin; row < rowEnd; row += slabRows)
      for (uint64_t part = 0; part < range.parts; ++part) {
        // The columns of a part end where the next one begins.
        Product of = p;
        of.n = range.parts == 1 ? p.n : (part + 1) * range.stride * 32;
        const uint64_t first = panel + part * range.stride;
        multiplySlab(of, row, rowEnd - row < slabRows ? rowEnd - row : slabRows, first, finish);
      }
}

} // namespace int8
