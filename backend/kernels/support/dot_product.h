// Products of more rows than a few with the panels of a bfloat16 weight on vdpbf16ps: two k-values
// at a time, on processors that multiply pairs twice as fast as they do fused multiply-adds.
//
// A sum is one chain over pairs of k, whatever the blocking, so a row has the same bits in every
// batch. A stretch of two panels is expanded for all rows of a slab, which go through it in several
// blocks: each of them fetches its share of the stretch that comes next, so that memory is busy all
// the while.
#pragma once

#include "support/panel12.h"
#include "support/panel_range.h"

/// The weight, and where row r of x is: source(r).
template <typename Source> struct DotProduct {
  Source source;
  Weight12 weight;
  uint64_t k;
};

namespace detail {

constexpr uint64_t dotStep = 32; ///< k-values of a tile of the panel
/// k-values that are expanded at a time, for the first cache, and the rows of a slab.
constexpr uint64_t dotChunk = 256, dotRowsOfSlab = 96;

/// What a block of rows fetches of each panel's next stretch: `lines` at each step from `at` on.
struct NextStretch {
  const char *at[2];
  uint64_t lines;
};

/// A stretch of two panels, expanded.
struct DotStretch {
  const BFloat16 *weights[2];
  uint64_t panels[2]; ///< their numbers
  uint64_t begin, length;
  bool isFirst, isLast;
  float *sums; ///< [row of the slab][panel][32], between stretches
  uint64_t slabRow;
};

/// sums += x * w, two k-values of every lane. By reference: without AVX-512 vectors are passed in
/// another way.
__attribute__((target("avx512f,avx512bf16"))) inline void
addPairProducts(Floats &sums, const Words &x, const Words &w) {
  typedef float Zmm __attribute__((vector_size(64)));
  typedef __bf16 Pairs __attribute__((vector_size(64)));
  sums = __builtin_bit_cast(Floats, __builtin_ia32_dpbf16ps_512(__builtin_bit_cast(Zmm, sums),
                                                                __builtin_bit_cast(Pairs, x),
                                                                __builtin_bit_cast(Pairs, w)));
}

/// `Rows` rows from x[0], x[1], .. on times one tile of each panel.
template <int Rows, int Panels>
inline void addTiles(Floats (&sums)[Rows][2 * Panels], const BFloat16 *const (&x)[Rows],
                     const BFloat16 *const (&weights)[Panels]) {
  typedef uint32_t UnalignedWord __attribute__((aligned(2)));
#pragma clang loop unroll_count(Rows > 2 ? 2 : 4)
  for (uint64_t pair = 0; pair < dotStep / 2; ++pair) {
    Words w[2 * Panels];
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i)
      w[i] = *(const Words *)(weights[i / 2] + i % 2 * 512 + pair * 32);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      const Words pairOfRow = Words(*(const UnalignedWord *)(x[r] + 2 * pair));
#pragma clang loop unroll(full)
      for (int i = 0; i < 2 * Panels; ++i)
        addPairProducts(sums[r][i], pairOfRow, w[i]);
    }
  }
}

/// `Rows` rows with panels first .. first + Panels of the stretch.
template <int Rows, int Panels, typename Source, typename Finish>
inline void dotRows(const DotProduct<Source> &p, uint64_t row, const DotStretch &stretch, int first,
                    NextStretch next, uint64_t n, Finish finish) {
  const BFloat16 *x[Rows], *weights[Panels];
  Floats sums[Rows][2 * Panels];
  float *kept = stretch.sums + (row - stretch.slabRow) * 64 + uint64_t(first) * 32;
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r) {
    x[r] = p.source(row + uint64_t(r)) + stretch.begin;
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i)
      sums[r][i] = stretch.isFirst ? splat(0.0f) : load(kept + r * 64 + i * 16);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < Panels; ++i)
    weights[i] = stretch.weights[first + i];
  const uint64_t left = p.k - stretch.begin;
  const uint64_t whole = (left < stretch.length ? left : stretch.length) / dotStep * dotStep;
#pragma clang loop unroll(disable)
  for (uint64_t k = 0; k < whole; k += dotStep) {
    addTiles<Rows, Panels>(sums, x, weights);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      x[r] += dotStep;
#pragma clang loop unroll(full)
    for (int i = 0; i < Panels; ++i) {
      weights[i] += stepElements;
      for (uint64_t line = 0; line < next.lines; ++line)
        __builtin_prefetch(next.at[first + i] + line * 64, 0, 2);
      next.at[first + i] += next.lines * 64;
    }
  }
  if (whole < stretch.length) { // filled up with zeros, as the weights are
    alignas(64) BFloat16 tails[Rows][dotStep];
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      for (uint64_t i = 0; i < dotStep; ++i)
        tails[r][i] = whole + i < left ? x[r][i] : BFloat16{};
      x[r] = tails[r];
    }
    addTiles<Rows, Panels>(sums, x, weights);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * Panels; ++i) {
    const uint64_t column = stretch.panels[first + i / 2] * 32 + uint64_t(i % 2) * lanes;
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      if (!stretch.isLast)
        store(kept + r * 64 + i * 16, sums[r][i]);
      else if (column < n)
        finish(row + uint64_t(r), column, n - column < lanes ? n - column : lanes, sums[r][i]);
  }
}

/// All rows of a slab with the stretch; what comes next begins at `next`.
template <typename Source, typename Finish>
inline void dotSlab(const DotProduct<Source> &p, uint64_t row, uint64_t rowEnd,
                    const DotStretch &stretch, const Panel12 (&next)[2], uint64_t nextStep,
                    uint64_t n, Finish finish) {
  // Of what 12 leaves: 8 (8), 6 (4), 4 (2), 2, 1.
  const uint64_t rows = rowEnd - row, left = rows % 12;
  const uint64_t blocks = rows / 12 + (left >= 4), steps = stretch.length / dotStep;
  const uint64_t lines = (stepMainBytes / 64 + blocks - 1) / (blocks > 0 ? blocks : 1);
  uint64_t block = 0;
  const auto share = [&] {
    const uint64_t skipped = nextStep * stepMainBytes + block * lines * steps * 64;
    return NextStretch{{(const char *)next[0].main + skipped, (const char *)next[1].main + skipped},
                       lines};
  };
  for (; row + 12 <= rowEnd; row += 12, ++block)
    for (int i = 0; i < 2; ++i)
      dotRows<12, 1>(p, row, stretch, i, share(), n, finish);
  if (row + 8 <= rowEnd) {
    for (int i = 0; i < 2; ++i)
      dotRows<8, 1>(p, row, stretch, i, share(), n, finish);
    row += 8;
  } else if (row + 6 <= rowEnd) {
    dotRows<6, 2>(p, row, stretch, 0, share(), n, finish);
    row += 6;
  } else if (row + 4 <= rowEnd) {
    dotRows<4, 2>(p, row, stretch, 0, share(), n, finish);
    row += 4;
  }
  for (; row + 2 <= rowEnd; row += 2)
    dotRows<2, 2>(p, row, stretch, 0, {}, n, finish);
  for (; row < rowEnd; ++row)
    dotRows<1, 2>(p, row, stretch, 0, {}, n, finish);
}

/// All rows with two panels; those that come next are `distance` further on.
template <typename Source, typename Finish>
inline void dotPanels(const DotProduct<Source> &p, uint64_t rowBegin, uint64_t rowEnd,
                      const uint64_t (&numbers)[2], uint64_t distance, uint64_t n, Finish finish) {
  alignas(64) BFloat16 weights[2][dotChunk * 32];
  alignas(64) float sums[dotRowsOfSlab * 64];
  const uint64_t depth = p.weight.steps * dotStep;
  for (uint64_t row = rowBegin; row < rowEnd; row += dotRowsOfSlab) {
    const uint64_t end = rowEnd - row < dotRowsOfSlab ? rowEnd : row + dotRowsOfSlab;
    for (uint64_t begin = 0; begin < depth; begin += dotChunk) {
      const uint64_t length = depth - begin < dotChunk ? depth - begin : dotChunk;
      const bool isLast = begin + length == depth;
      for (int i = 0; i < 2; ++i)
        expandSteps(weights[i], p.weight.panel(numbers[i]), begin / dotStep, length / dotStep);
      const uint64_t further = isLast ? distance : 0;
      dotSlab(p, row, end,
              {{weights[0], weights[1]},
               {numbers[0], numbers[1] == numbers[0] ? p.weight.panels : numbers[1]},
               begin,
               length,
               begin == 0,
               isLast,
               sums,
               row},
              {p.weight.panel(numbers[0] + further), p.weight.panel(numbers[1] + further)},
              isLast ? 0 : (begin + length) / dotStep, n, finish);
    }
  }
}

} // namespace detail

/// As multiplyOnTiles.
template <typename Source, typename Finish>
inline void multiplyByDots(const DotProduct<Source> &p, uint64_t n, uint64_t rowBegin,
                           uint64_t rowEnd, const PanelRange &range, Finish finish) {
  const bool inParts = range.parts == 2;
  for (uint64_t panel = range.begin; panel < range.end; panel += inParts ? 1 : 2) {
    // The last of an odd number of panels is its own partner, whose sums nobody wants.
    const bool isAlone = !inParts && panel + 1 == range.end;
    const uint64_t second = inParts ? panel + range.stride : panel + !isAlone;
    detail::dotPanels(p, rowBegin, rowEnd, {panel, second}, inParts ? 1 : 2, n, finish);
  }
}
