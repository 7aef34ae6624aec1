// Products of rows with the panels of a bfloat16 weight on vdpbf16ps: two k-values at a time, on
// processors that multiply pairs twice as fast as they do fused multiply-adds.
//
// A sum is one chain over pairs of k, whatever the blocking, so a row has the same bits in every
// batch. Few rows read two panels at once, at the speed of memory. More rows share each weight that
// is loaded, and go through a panel in several blocks: each of them fetches its share of the panel
// that comes next, so that memory is busy all the while.
#pragma once

#include "support/panel_range.h"
#include "support/panels.h"

/// The weight, and where row r of x is: source(r).
template <typename Source> struct DotProduct {
  Source source;
  const BFloat16 *weights;
  uint64_t k;

  const BFloat16 *panel(uint64_t index) const { return weights + index * panelElements(k); }
};

namespace detail {

constexpr uint64_t dotStep = 32;     ///< k-values of a tile of the panel
constexpr uint64_t linesOfStep = 32; ///< cache lines of them in a panel

/// Cache lines of the panels `distance` further on that a block of rows fetches: `lines` at each
/// step, from the `first` on.
struct NextPanel {
  uint64_t distance, first, lines;
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

/// Blocks of so few rows that they wait for memory: they fetch what they are about to read, the
/// further ahead the longer they take to get there.
template <int Rows> constexpr bool readsAhead = Rows <= 8;

/// `Rows` rows from x[0], x[1], .. on times one tile of each panel.
template <int Rows, int Panels>
inline void addTiles(Floats (&sums)[Rows][2 * Panels], const BFloat16 *const (&x)[Rows],
                     const BFloat16 *const (&weights)[Panels]) {
  typedef uint32_t UnalignedWord __attribute__((aligned(2)));
  constexpr uint64_t ahead = Rows <= 2 ? 1024 : 4096;
#pragma clang loop unroll_count(Rows > 2 ? 2 : 4)
  for (uint64_t pair = 0; pair < dotStep / 2; ++pair) {
    Words w[2 * Panels];
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i) {
      const BFloat16 *line = weights[i / 2] + i % 2 * 512 + pair * 32;
      if (readsAhead<Rows>)
        __builtin_prefetch((const char *)line + ahead);
      w[i] = *(const Words *)line;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      const Words pairOfRow = Words(*(const UnalignedWord *)(x[r] + 2 * pair));
#pragma clang loop unroll(full)
      for (int i = 0; i < 2 * Panels; ++i)
        addPairProducts(sums[r][i], pairOfRow, w[i]);
    }
  }
}

template <int Rows, int Panels, typename Source, typename Finish>
inline void dotRows(const DotProduct<Source> &p, uint64_t row, const uint64_t (&panels)[Panels],
                    NextPanel next, uint64_t n, Finish finish) {
  const BFloat16 *x[Rows], *weights[Panels];
  const char *fetched[Panels];
  Floats sums[Rows][2 * Panels];
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r) {
    x[r] = p.source(row + uint64_t(r));
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i)
      sums[r][i] = splat(0.0f);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < Panels; ++i) {
    weights[i] = p.panel(panels[i]);
    fetched[i] = (const char *)p.panel(panels[i] + next.distance) + next.first * 64;
  }
  const uint64_t whole = p.k / dotStep * dotStep;
#pragma clang loop unroll(disable)
  for (uint64_t k = 0; k < whole; k += dotStep) {
    addTiles<Rows, Panels>(sums, x, weights);
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r)
      x[r] += dotStep;
#pragma clang loop unroll(full)
    for (int i = 0; i < Panels; ++i) {
      weights[i] += dotStep * 32;
      for (uint64_t line = 0; line < next.lines; ++line)
        __builtin_prefetch(fetched[i] + line * 64, 0, 2);
      fetched[i] += next.lines * 64;
    }
  }
  if (whole < p.k) { // filled up with zeros, as the weights are
    alignas(64) BFloat16 tails[Rows][dotStep];
#pragma clang loop unroll(full)
    for (int r = 0; r < Rows; ++r) {
      for (uint64_t i = 0; i < dotStep; ++i)
        tails[r][i] = whole + i < p.k ? x[r][i] : BFloat16{};
      x[r] = tails[r];
    }
    addTiles<Rows, Panels>(sums, x, weights);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * Panels; ++i) {
    const uint64_t column = panels[i / 2] * 32 + uint64_t(i % 2) * lanes;
    if (column < n)
#pragma clang loop unroll(full)
      for (int r = 0; r < Rows; ++r)
        finish(row + uint64_t(r), column, n - column < lanes ? n - column : lanes, sums[r][i]);
  }
}

/// Shares the fetching of the next panel among the blocks of rows.
class NextPanels {
public:
  /// `blocks` blocks of rows, `distance` panels ahead, of `steps` steps each.
  NextPanels(uint64_t blocks, uint64_t distance, uint64_t steps)
      : distance_(distance), steps_(steps), lines_((linesOfStep + blocks - 1) / blocks) {}

  NextPanel share(uint64_t block) const { return {distance_, block * lines_ * steps_, lines_}; }

private:
  uint64_t distance_, steps_, lines_;
};

/// All rows with two panels; those that come next are `distance` further on.
template <typename Source, typename Finish>
inline void dotPanelPair(const DotProduct<Source> &p, uint64_t row, uint64_t rowEnd,
                         const uint64_t (&panels)[2], uint64_t distance, uint64_t n,
                         Finish finish) {
  // Of what 12 leaves: 8 (8), 6 (4), 4 (2), 2, 1.
  const uint64_t rows = rowEnd - row, left = rows % 12;
  const uint64_t blocks = rows / 12 + (left >= 4);
  const NextPanels next(blocks > 0 ? blocks : 1, distance, p.k / dotStep);
  uint64_t block = 0;
  for (; row + 12 <= rowEnd; row += 12, ++block)
    for (int i = 0; i < 2; ++i)
      dotRows<12, 1>(p, row, {panels[i]}, next.share(block), n, finish);
  const NextPanel share = next.share(block);
  if (row + 8 <= rowEnd) {
    for (int i = 0; i < 2; ++i)
      dotRows<8, 1>(p, row, {panels[i]}, blocks > 1 ? share : NextPanel{}, n, finish);
    row += 8;
  } else if (row + 6 <= rowEnd) {
    dotRows<6, 2>(p, row, panels, blocks > 1 ? share : NextPanel{}, n, finish);
    row += 6;
  } else if (row + 4 <= rowEnd) {
    dotRows<4, 2>(p, row, panels, blocks > 1 ? share : NextPanel{}, n, finish);
    row += 4;
  }
  for (; row + 2 <= rowEnd; row += 2)
    dotRows<2, 2>(p, row, panels, {}, n, finish);
  for (; row < rowEnd; ++row)
    dotRows<1, 2>(p, row, panels, {}, n, finish);
}

/// All rows with the last panel, which has none to go with it.
template <typename Source, typename Finish>
inline void dotPanel(const DotProduct<Source> &p, uint64_t row, uint64_t rowEnd, uint64_t panel,
                     uint64_t n, Finish finish) {
  for (; row + 12 <= rowEnd; row += 12)
    dotRows<12, 1>(p, row, {panel}, {}, n, finish);
  for (; row + 4 <= rowEnd; row += 4)
    dotRows<4, 1>(p, row, {panel}, {}, n, finish);
  for (; row < rowEnd; ++row)
    dotRows<1, 1>(p, row, {panel}, {}, n, finish);
}

} // namespace detail

/// As multiplyOnTiles.
template <typename Source, typename Finish>
inline void multiplyByDots(const DotProduct<Source> &p, uint64_t n, uint64_t rowBegin,
                           uint64_t rowEnd, const PanelRange &range, Finish finish) {
  if (range.parts == 2) {
    for (uint64_t panel = range.begin; panel < range.end; ++panel)
      detail::dotPanelPair(p, rowBegin, rowEnd, {panel, panel + range.stride}, 1, n, finish);
    return;
  }
  uint64_t panel = range.begin;
  for (; panel + 2 <= range.end; panel += 2)
    detail::dotPanelPair(p, rowBegin, rowEnd, {panel, panel + 1}, 2, n, finish);
  if (panel < range.end)
    detail::dotPanel(p, rowBegin, rowEnd, panel, n, finish);
}
