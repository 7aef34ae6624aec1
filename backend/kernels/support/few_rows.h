// Products of up to four rows with a bfloat16 weight (Panel12), at the speed of memory.
//
// Two panels are read at once, front to back, and lines are expanded in registers: what is stored
// and read again right away would keep loads from running ahead. A sum is the chain that the target
// has for many rows, too, so that a row has the same bits in every batch:
//
//   float32    one chain of fused multiply-adds over k
//   dots       one chain of vdpbf16ps over pairs of k
//   tiles      what tdpbf16ps does (Intel SDM): of 32 k-values the even ones and the odd ones are
//              one chain of fused multiply-adds each, from zero; their sum is added to what there
//              is; subnormal numbers count as zeros
#pragma once

#include "support/dot_product.h"
#include "support/panel12.h"
#include "support/panel_range.h"
#include "support/widened_product.h"

namespace few {

/// k-values whose rows are made ready at a time.
constexpr uint64_t chunk = 256;

/// Rows up to which this is the way: where registers are few, or tiles multiply more rows as fast,
/// two.
inline uint64_t mostRows() {
  return vinciVectorBytes == 64 && !vinciHasAmx ? 4 : 2;
}

enum class Chain { Float32, Dots, Tiles };

/// A stretch of rows of x, as the chain wants them.
template <int Rows> struct ReadyRows {
  alignas(64) float widened[Rows][chunk];
  alignas(64) BFloat16 pairs[Rows][chunk];
};

/// x[row] of k-values begin..begin + length; zeros beyond K, as the padding of the weights.
inline void copyPairs(BFloat16 *to, const BFloat16 *row, uint64_t begin, uint64_t length,
                      uint64_t k) {
  for (uint64_t i = 0; i < length; i += lanes)
    for (uint64_t lane = 0; lane < lanes; ++lane)
      to[i + lane] = begin + i + lane < k ? row[begin + i + lane] : BFloat16{};
}

/// Subnormal numbers are zeros while it lives, as tile products have it.
class SubnormalsAreZeros {
public:
  SubnormalsAreZeros() : before_(__builtin_ia32_stmxcsr()) { set(before_ | 0x8040); }
  ~SubnormalsAreZeros() { set(before_); }

private:
  static void set(uint32_t mode) {
    asm volatile("" ::: "memory");
    __builtin_ia32_ldmxcsr(mode);
    asm volatile("" ::: "memory");
  }
  uint32_t before_;
};

/// Calls body(line, words) for the 16 lines of both tiles of a panel's step.
template <typename Body>
inline void forLines(const Panel12 &panel, const ExponentTable &table, uint64_t step,
                     uint64_t ahead, Body body) {
  const uint8_t *main = panel.tile(step, 0);
  if (__builtin_expect(panel.hasWhole(step), 0)) {
    alignas(64) BFloat16 tiles[2][tileElements];
    for (uint64_t half = 0; half < 2; ++half)
      expandTile(tiles[half], panel, step, half, table);
#pragma clang loop unroll(disable)
    for (uint64_t line = 0; line < 16; ++line) {
      const Words words[2] = {*(const Words *)(tiles[0] + line * 32),
                              *(const Words *)(tiles[1] + line * 32)};
      body(line, words);
    }
    return;
  }
#pragma clang loop unroll(full)
  for (uint64_t pair = 0; pair < 8; ++pair) {
#pragma clang loop unroll(full)
    for (uint64_t line = 3 * pair; line < 3 * pair + 3; ++line)
      __builtin_prefetch(main + ahead + line * 64);
    Words first[2], second[2];
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; ++half)
      expandLines(first[half], second[half], main + half * tileMainBytes, pair, table);
    body(2 * pair, first);
    body(2 * pair + 1, second);
  }
}

/// sums[row][2 * panel + half] += x * w over `steps` steps from `first` on; x begins there.
template <Chain chain, int Rows>
inline void addSteps(Floats (&sums)[Rows][4], const ReadyRows<Rows> &x, const Panel12 (&panels)[2],
                     const ExponentTable (&tables)[2], uint64_t first, uint64_t steps,
                     uint64_t stepsOfPanel, uint64_t jump) {
  constexpr uint64_t ahead = 2048;
#pragma clang loop unroll(disable)
  for (uint64_t step = 0; step < steps; ++step) {
    // At its end each panel goes on with the one after next: that of the next pair.
    const bool isEnd = (stepsOfPanel - first - step) * stepMainBytes <= ahead;
    const uint64_t distance = ahead + (isEnd ? jump : 0);
    const float *widened = x.widened[0] + step * 32;
    const BFloat16 *pairs = x.pairs[0] + step * 32;
#pragma clang loop unroll(full)
    for (int panel = 0; panel < 2; ++panel) {
      Floats even[Rows][2], odd[Rows][2];
      if constexpr (chain == Chain::Tiles)
#pragma clang loop unroll(full)
        for (int i = 0; i < 2 * Rows; ++i)
          even[i / 2][i % 2] = odd[i / 2][i % 2] = splat(0.0f);
      forLines(panels[panel], tables[panel], first + step, distance,
               [&](uint64_t line, const Words(&w)[2]) {
#pragma clang loop unroll(full)
                 for (int half = 0; half < 2; ++half) {
                   const Floats low = __builtin_bit_cast(Floats, w[half] << 16);
                   const Floats high = __builtin_bit_cast(Floats, w[half] & 0xffff0000u);
#pragma clang loop unroll(full)
                   for (int row = 0; row < Rows; ++row) {
                     Floats &sum = sums[row][2 * panel + half];
                     const float *at = widened + row * int(chunk) + 2 * line;
                     if constexpr (chain == Chain::Dots) {
                       const BFloat16 *pair = pairs + row * int(chunk) + 2 * line;
                       ::detail::addPairProducts(sum, Words(*(const uint32_t *)pair), w[half]);
                     } else if constexpr (chain == Chain::Tiles) {
                       even[row][half] = fma(splat(at[0]), low, even[row][half]);
                       odd[row][half] = fma(splat(at[1]), high, odd[row][half]);
                     } else {
                       sum = fma(splat(at[0]), low, sum);
                       sum = fma(splat(at[1]), high, sum);
                     }
                   }
                 }
               });
      if constexpr (chain == Chain::Tiles)
#pragma clang loop unroll(full)
        for (int i = 0; i < 2 * Rows; ++i) {
          Floats &sum = sums[i / 2][2 * panel + i % 2];
          sum = sum + (even[i / 2][i % 2] + odd[i / 2][i % 2]);
        }
    }
  }
}

/// The sums of `rows` rows, as many as `Rows` or one less, with two panels, as [row][column].
template <Chain chain, int Rows, typename Source>
inline void sumPanels(float (&result)[Rows][64], const Source &source, uint64_t row, uint64_t rows,
                      const Weight12 &weight, uint64_t k, const uint64_t (&numbers)[2],
                      uint64_t distance) {
  const Panel12 panels[2] = {weight.panel(numbers[0]), weight.panel(numbers[1])};
  const ExponentTable tables[2] = {panels[0].table(), panels[1].table()};
  // From the end of a panel to the beginning of the one that it is followed by here.
  const uint64_t jump = (distance - 1) * weight.steps * stepMainBytes;
  ReadyRows<Rows> x;
  Floats sums[Rows][4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4 * Rows; ++i)
    sums[i / 4][i % 4] = splat(0.0f);
#pragma clang loop unroll(disable)
  for (uint64_t begin = 0; begin < weight.steps * 32; begin += chunk) {
    const uint64_t left = weight.steps * 32 - begin, length = left < chunk ? left : chunk;
    for (uint64_t r = 0; r < uint64_t(Rows); ++r) {
      const BFloat16 *from = source(row + (r < rows ? r : rows - 1));
      if constexpr (chain == Chain::Dots)
        copyPairs(x.pairs[r], from, begin, length, k);
      else
        widened::widenRow(x.widened[r], from, begin, length, k);
    }
    addSteps<chain, Rows>(sums, x, panels, tables, begin / 32, length / 32, weight.steps, jump);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4 * Rows; ++i)
    *(Floats *)&result[i / 4][i % 4 * 16] = sums[i / 4][i % 4];
}

template <Chain chain, int Rows, typename Source, typename Finish>
inline void multiplyRows(const Source &source, const Weight12 &weight, uint64_t n, uint64_t k,
                         uint64_t row, uint64_t rows, const PanelRange &range, Finish finish) {
  const bool inParts = range.parts == 2;
#pragma clang loop unroll(disable)
  for (uint64_t panel = range.begin; panel < range.end; panel += inParts ? 1 : 2) {
    // The last of an odd number of panels is its own partner, whose sums nobody wants.
    const bool isAlone = !inParts && panel + 1 == range.end;
    const uint64_t numbers[2] = {panel, inParts ? panel + range.stride : panel + !isAlone};
    alignas(64) float sums[Rows][64];
    if constexpr (chain == Chain::Tiles) {
      SubnormalsAreZeros mode;
      sumPanels<chain, Rows>(sums, source, row, rows, weight, k, numbers, inParts ? 1 : 2);
    } else {
      sumPanels<chain, Rows>(sums, source, row, rows, weight, k, numbers, inParts ? 1 : 2);
    }
    for (uint64_t i = 0; i < (isAlone ? 32u : 64u); i += lanes) {
      const uint64_t column = numbers[i / 32] * 32 + i % 32;
      if (column < n)
        for (uint64_t r = 0; r < rows; ++r)
          finish(row + r, column, n - column < lanes ? n - column : lanes,
                 *(const Floats *)&sums[r][i]);
    }
  }
}

template <Chain chain, typename Source, typename Finish>
inline void multiplyBy(const Source &source, const Weight12 &weight, uint64_t n, uint64_t k,
                       uint64_t row, uint64_t rows, const PanelRange &range, Finish finish) {
  if (rows == 1)
    multiplyRows<chain, 1>(source, weight, n, k, row, rows, range, finish);
  else if (rows == 2)
    multiplyRows<chain, 2>(source, weight, n, k, row, rows, range, finish);
  else if (mostRows() == 4)
    multiplyRows<chain, 4>(source, weight, n, k, row, rows, range, finish);
}

/// Rows rowBegin..rowEnd, at most mostRows(), of the panels of `range`; source(r) is row r of x.
/// finish(row, column, count, sums) takes up to 16 sums at a time; of panels that belong together,
/// those of a later part after those of the earlier one.
template <typename Source, typename Finish>
inline void multiply(const Source &source, const Weight12 &weight, uint64_t n, uint64_t k,
                     uint64_t rowBegin, uint64_t rowEnd, const PanelRange &range, Finish finish) {
  const uint64_t rows = rowEnd - rowBegin;
  if (vinciHasAmx)
    multiplyBy<Chain::Tiles>(source, weight, n, k, rowBegin, rows, range, finish);
  else if (vinciHasBf16Dot)
    multiplyBy<Chain::Dots>(source, weight, n, k, rowBegin, rows, range, finish);
  else
    multiplyBy<Chain::Float32>(source, weight, n, k, rowBegin, rows, range, finish);
}

} // namespace few
