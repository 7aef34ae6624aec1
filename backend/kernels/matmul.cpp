// matmul and grouped_matmul: out = x * w^T (+ bias), w packed as Panel32.
//
// An output is one chain of fused multiply-adds over k = 0, 1, 2, .. in float32, whatever the register blocking: so it
// does not depend on how many rows are computed with it. What the blocking changes is speed only. Few rows read the
// weights at memory speed, two panels ("streams") at once and prefetched; many rows share each weight that was loaded
// and widened.
#include "support/kernel.h"
#include "support/panels.h"

namespace {

/// k-values of x that are widened to float at a time; a multiple of 32.
constexpr uint64_t chunk = 512;
/// Bytes that few-row blocks prefetch ahead in each stream.
constexpr uint64_t prefetchAhead = 1024;

/// A matmul whose row r of x is source(r).
template <typename T, typename Source> struct Problem {
  Source source;
  const T *weights;
  uint64_t n, k;
};

/// Widens k-values begin..begin+length of one row; beyond K they are zero, as the padding of the weights is.
template <typename T>
void widen(float *to, const T *row, uint64_t begin, uint64_t length, uint64_t k) {
  for (uint64_t i = 0; i < length; i += lanes) {
    const uint64_t left = k > begin + i ? k - begin - i : 0;
    store(to + i, left >= lanes ? load(row + begin + i) : loadPart(row + begin + i, left));
  }
}

template <int Rows, int Panels> struct Accumulators {
  Floats value[Rows][Panels][2];
};

/// Adds `length` k-values, a multiple of 32, of `Rows` rows of x times `Panels` panels.
template <int Rows, int Panels, typename T>
void accumulate(Accumulators<Rows, Panels> &sums, const float (*x)[chunk], const T *weights,
                uint64_t panelStride, uint64_t length) {
  for (uint64_t tileStart = 0; tileStart < length; tileStart += 32) {
    const T *lines = weights + tileStart * 32;
#pragma clang loop unroll_count(4)
    for (uint64_t pair = 0; pair < 16; ++pair) {
      WeightPair w[Panels][2];
#pragma clang loop unroll(full)
      for (int panel = 0; panel < Panels; ++panel)
#pragma clang loop unroll(full)
        for (int half = 0; half < 2; ++half) {
          const T *step = lines + panel * panelStride + pair * Panel<T>::stride;
          if (Rows <= 2)
            __builtin_prefetch((const char *)step + half * 1024 + prefetchAhead);
          w[panel][half] = Panel<T>::load(step, half);
        }
      const uint64_t i = tileStart + 2 * pair;
#pragma clang loop unroll(full)
      for (int row = 0; row < Rows; ++row) {
        const Floats even = splat(x[row][i]), odd = splat(x[row][i + 1]);
#pragma clang loop unroll(full)
        for (int panel = 0; panel < Panels; ++panel)
#pragma clang loop unroll(full)
          for (int half = 0; half < 2; ++half) {
            Floats &sum = sums.value[row][panel][half];
            sum = fma(odd, w[panel][half].odd, fma(even, w[panel][half].even, sum));
          }
      }
    }
  }
}

/// `Rows` rows from `row` on, `Panels` panels from `panel` on.
template <int Rows, int Panels, typename T, typename Source, typename Finish>
void block(const Problem<T, Source> &p, uint64_t row, uint64_t panel, Finish finish) {
  Accumulators<Rows, Panels> sums;
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i)
      sums.value[r][i / 2][i % 2] = splat(0.0f);
  alignas(64) float x[Rows][chunk];
  const uint64_t stride = panelElements(p.k);
  const T *weights = p.weights + panel * stride;
  const uint64_t paddedK = stride / 32;
  for (uint64_t begin = 0; begin < paddedK; begin += chunk) {
    const uint64_t length = paddedK - begin < chunk ? paddedK - begin : chunk;
    for (int r = 0; r < Rows; ++r)
      widen(x[r], p.source(row + r), begin, length, p.k);
    accumulate(sums, x, weights + begin * 32, stride, length);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < Rows; ++r)
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i) {
      const uint64_t column = panel * 32 + i * lanes;
      if (column < p.n)
        finish(row + r, column, p.n - column < lanes ? p.n - column : lanes,
               sums.value[r][i / 2][i % 2]);
    }
}

/// All rows for `Panels` panels: the largest register blocks first, as many as the target has registers for.
template <int Panels, typename T, typename Source, typename Finish>
void rowBlocks(const Problem<T, Source> &p, uint64_t rowBegin, uint64_t rowEnd, uint64_t panel,
               Finish finish) {
  uint64_t row = rowBegin;
  if (vinciVectorBytes == 64) { // 32 registers: up to 24 sums
    for (; row + 6 <= rowEnd; row += 6)
      block<6, Panels>(p, row, panel, finish);
    for (; row + 4 <= rowEnd; row += 4)
      block<4, Panels>(p, row, panel, finish);
    for (; row + 2 <= rowEnd; row += 2)
      block<2, Panels>(p, row, panel, finish);
  } else if (Panels == 1) { // 16 registers, and a vector takes two of them
    for (; row + 3 <= rowEnd; row += 3)
      block<3, 1>(p, row, panel, finish);
    for (; row + 2 <= rowEnd; row += 2)
      block<2, 1>(p, row, panel, finish);
  }
  for (; row < rowEnd; ++row)
    block<1, Panels>(p, row, panel, finish);
}

/// Rows rowBegin..rowEnd of the tile's columns. finish(row, column, count, sums) takes 16 sums at a time.
template <typename T, typename Source, typename Finish>
void multiply(const Tile &t, const Problem<T, Source> &p, uint64_t rowBegin, uint64_t rowEnd,
              Finish finish) {
  const uint64_t panels = (p.n + 31) / 32;
  const uint64_t pairs = (panels + 1) / 2;
  uint64_t panel = 2 * t.shareBegin(pairs);
  const uint64_t end = 2 * t.shareEnd(pairs) < panels ? 2 * t.shareEnd(pairs) : panels;
  const bool wide = vinciVectorBytes == 64 || rowEnd - rowBegin == 1;
  for (; wide && panel + 2 <= end; panel += 2)
    rowBlocks<2>(p, rowBegin, rowEnd, panel, finish);
  for (; panel < end; ++panel)
    rowBlocks<1>(p, rowBegin, rowEnd, panel, finish);
}

template <typename T, typename Out>
void matmul(const Tile &t, Out *out, const T *x, const T *weights, const T *bias, uint64_t n,
            uint64_t k) {
  const auto source = [=](uint64_t row) { return x + row * k; };
  const Problem<T, decltype(source)> problem{source, weights, n, k};
  multiply(t, problem, t.rowBegin, t.rowEnd,
           [=](uint64_t row, uint64_t column, uint64_t count, Floats sums) {
             if (bias)
               sums = sums + loadUpTo(bias + column, count);
             storeUpTo(out + row * n + column, sums, count);
           });
}

/// Rows are sorted by expert: those of expert e are offsets[e]..offsets[e + 1].
template <typename T>
void groupedMatmul(const Tile &t, T *out, const T *x, const int32_t *rowOf, const int32_t *offsets,
                   const T *weights, uint64_t n, uint64_t k, uint64_t numExperts, uint64_t topK,
                   bool gather) {
  const auto source = [=](uint64_t row) {
    return x + (gather ? uint64_t(rowOf[row]) / topK : row) * k;
  };
  const auto finish = [=](uint64_t row, uint64_t column, uint64_t count, Floats sums) {
    storeUpTo(out + row * n + column, sums, count);
  };
  const uint64_t expertElements = (n + 31) / 32 * panelElements(k);
  for (uint64_t expert = 0; expert < numExperts; ++expert) {
    const uint64_t first = uint64_t(offsets[expert]), last = uint64_t(offsets[expert + 1]);
    const uint64_t begin = first > t.rowBegin ? first : t.rowBegin;
    const uint64_t end = last < t.rowEnd ? last : t.rowEnd;
    if (begin >= end)
      continue;
    const Problem<T, decltype(source)> problem{source, weights + expert * expertElements, n, k};
    multiply(t, problem, begin, end, finish);
  }
}

} // namespace

#define MATMUL(T, name, Out, outName)                                                              \
  extern "C" void vinci_matmul_##name##_##outName(VINCI_COMMAND, uint64_t n, uint64_t k,           \
                                                  uint64_t bias, VINCI_TILES) {                    \
    matmul(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<Out>(buffers, 0),          \
           input<T>(buffers, 1), input<T>(buffers, 2), bias ? input<T>(buffers, 3) : nullptr, n,   \
           k);                                                                                     \
  }
MATMUL(float, float32, float, float32)
MATMUL(BFloat16, bfloat16, BFloat16, bfloat16)
MATMUL(BFloat16, bfloat16, float, float32)
MATMUL(_Float16, float16, _Float16, float16)
MATMUL(_Float16, float16, float, float32)

#define GROUPED_MATMUL(T, name)                                                                    \
  extern "C" void vinci_grouped_matmul_##name(VINCI_COMMAND, uint64_t n, uint64_t k,               \
                                              uint64_t numExperts, uint64_t topK, uint64_t gather, \
                                              VINCI_TILES) {                                       \
    groupedMatmul(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),     \
                  input<T>(buffers, 1), input<int32_t>(buffers, 2), input<int32_t>(buffers, 3),    \
                  input<T>(buffers, 4), n, k, numExperts, topK, gather != 0);                      \
  }
VINCI_FOR_EACH_TYPE(GROUPED_MATMUL)
