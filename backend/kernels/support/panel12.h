// bfloat16 weights as Panel12 (runtime/weights/panel12.h has the layout): signs and mantissas as
// they are, exponents as places in a table of 16 for each panel. Every value comes out as it went
// in.
//
// Few rows expand lines in registers, on their way to the products (few_rows.h). Many rows expand a
// stretch of a panel once, as tiles of Panel32, and multiply those.
#pragma once

#include "support/panels.h"

using Bytes64 = uint8_t __attribute__((ext_vector_type(64)));

constexpr uint64_t tileElements = 512;  ///< of 16 columns and 32 k-values
constexpr uint64_t stepElements = 1024; ///< of a panel and 32 k-values
constexpr uint64_t tileMainBytes = 768, tileRestBytes = 256, stepMainBytes = 2 * tileMainBytes;

namespace detail {

using Bytes32 = uint8_t __attribute__((ext_vector_type(32)));

/// table[index] in each 16 bytes; indices are below 16. By reference: without AVX-512 vectors are
/// passed in another way.
__attribute__((target("avx512f,avx512bw"))) inline void
lookUp512(Bytes64 &result, const Bytes64 &table, const Bytes64 &index) {
  typedef char Zmm __attribute__((vector_size(64)));
  result = __builtin_bit_cast(Bytes64, __builtin_ia32_pshufb512(__builtin_bit_cast(Zmm, table),
                                                                __builtin_bit_cast(Zmm, index)));
}

__attribute__((target("avx2"))) inline void lookUp256(Bytes32 &result, const Bytes32 &table,
                                                      const Bytes32 &index) {
  typedef char Ymm __attribute__((vector_size(32)));
  result = __builtin_bit_cast(Bytes32, __builtin_ia32_pshufb256(__builtin_bit_cast(Ymm, table),
                                                                __builtin_bit_cast(Ymm, index)));
}

inline Bytes64 lookUp(const Bytes64 &table, const Bytes64 &index) {
  if (vinciVectorBytes == 64) {
    Bytes64 result;
    lookUp512(result, table, index);
    return result;
  }
  Bytes32 low, high;
  lookUp256(low, table.lo, index.lo);
  lookUp256(high, table.hi, index.hi);
  Bytes64 result;
  result.lo = low;
  result.hi = high;
  return result;
}

} // namespace detail

/// What a place of an exponent stands for, in each 16 bytes: the upper byte of the value, and the
/// highest bit of the lower one.
struct ExponentTable {
  Bytes64 high, low;
};

/// One panel of a weight.
struct Panel12 {
  const uint8_t *main, *rest, *head;

  const uint8_t *tile(uint64_t step, uint64_t half) const {
    return main + step * stepMainBytes + half * tileMainBytes;
  }
  /// Whether a tile is as in Panel32, with its end in `rest`.
  bool isWhole(uint64_t step, uint64_t half) const { return head[32 + step] >> half & 1; }
  /// Whether one of the step's two is.
  bool hasWhole(uint64_t step) const { return head[32 + step] != 0; }
  ExponentTable table() const { return {repeat(head), repeat(head + 16)}; }

private:
  static Bytes64 repeat(const uint8_t *from) {
    using Bytes16 = uint8_t __attribute__((ext_vector_type(16)));
    const Bytes16 v = *(const Bytes16 *)from;
    const detail::Bytes32 two =
        __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2,
                                3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    Bytes64 all;
    all.lo = two;
    all.hi = two;
    return all;
  }
};

/// A weight of n columns and k inputs.
struct Weight12 {
  const uint8_t *begin;
  uint64_t panels, steps;

  Weight12(const BFloat16 *weights, uint64_t n, uint64_t k)
      : begin((const uint8_t *)weights), panels((n + 31) / 32), steps(paddedDepth(k) / 32) {}

  Panel12 panel(uint64_t index) const {
    const uint8_t *rests = begin + panels * steps * stepMainBytes;
    const uint8_t *heads = rests + panels * steps * 2 * tileRestBytes;
    return {begin + index * steps * stepMainBytes, rests + index * steps * 2 * tileRestBytes,
            heads + index * headBytes()};
  }
  uint64_t bytes() const {
    return panels * (steps * (stepMainBytes + 2 * tileRestBytes) + headBytes());
  }

private:
  uint64_t headBytes() const { return (32 + steps + 63) / 64 * 64; }
};

/// Lines 2 * pair and 2 * pair + 1 of the tile at `main`.
inline void expandLines(Words &first, Words &second, const uint8_t *main, uint64_t pair,
                        const ExponentTable &table) {
  const uint8_t *quad = main + pair / 2 * 192;
  const Bytes64 places = *(const Bytes64 *)quad;
  const Bytes64 place = pair % 2 ? places >> 4 : places & 15;
  const Bytes64 values = *(const Bytes64 *)(quad + 64 + pair % 2 * 64);
  const Bytes64 low = (values & 0x7f) | detail::lookUp(table.low, place);
  const Bytes64 high = (values & 0x80) | detail::lookUp(table.high, place);
  first = __builtin_bit_cast(
      Words,
      __builtin_shufflevector(low, high, 0, 64, 1, 65, 2, 66, 3, 67, 4, 68, 5, 69, 6, 70, 7, 71, 16,
                              80, 17, 81, 18, 82, 19, 83, 20, 84, 21, 85, 22, 86, 23, 87, 32, 96,
                              33, 97, 34, 98, 35, 99, 36, 100, 37, 101, 38, 102, 39, 103, 48, 112,
                              49, 113, 50, 114, 51, 115, 52, 116, 53, 117, 54, 118, 55, 119));
  second = __builtin_bit_cast(
      Words, __builtin_shufflevector(low, high, 8, 72, 9, 73, 10, 74, 11, 75, 12, 76, 13, 77, 14,
                                     78, 15, 79, 24, 88, 25, 89, 26, 90, 27, 91, 28, 92, 29, 93, 30,
                                     94, 31, 95, 40, 104, 41, 105, 42, 106, 43, 107, 44, 108, 45,
                                     109, 46, 110, 47, 111, 56, 120, 57, 121, 58, 122, 59, 123, 60,
                                     124, 61, 125, 62, 126, 63, 127));
}

/// A tile as in Panel32.
inline void expandTile(BFloat16 *to, const Panel12 &panel, uint64_t step, uint64_t half,
                       const ExponentTable &table) {
  Words *lines = (Words *)to;
  const uint8_t *main = panel.tile(step, half);
  if (__builtin_expect(panel.isWhole(step, half), 0)) {
    const Words *begin = (const Words *)main;
    const Words *end = (const Words *)(panel.rest + (2 * step + half) * tileRestBytes);
    for (uint64_t line = 0; line < 16; ++line)
      lines[line] = line < 12 ? begin[line] : end[line - 12];
    return;
  }
#pragma clang loop unroll(full)
  for (uint64_t pair = 0; pair < 8; ++pair) {
    Words first, second;
    expandLines(first, second, main, pair, table);
    lines[2 * pair] = first;
    lines[2 * pair + 1] = second;
  }
}

/// `count` steps of a panel from `step` on, as in Panel32; fetches what comes after them.
inline void expandSteps(BFloat16 *to, const Panel12 &panel, uint64_t step, uint64_t count) {
  constexpr uint64_t ahead = 4096;
  const ExponentTable table = panel.table();
#pragma clang loop unroll(disable)
  for (uint64_t tile = 2 * step; tile < 2 * (step + count); ++tile, to += tileElements) {
    const uint8_t *main = panel.main + tile * tileMainBytes;
#pragma clang loop unroll(full)
    for (uint64_t line = 0; line < tileMainBytes / 64; ++line)
      __builtin_prefetch(main + ahead + line * 64);
    expandTile(to, panel, tile / 2, tile % 2, table);
  }
}

/// Element (column, k) of a panel.
inline BFloat16 elementOf(const Panel12 &panel, uint64_t column, uint64_t k) {
  const uint64_t step = k / 32, half = column / 16, line = k % 32 / 2;
  const uint64_t value = column % 16 * 2 + k % 2;
  const uint8_t *main = panel.tile(step, half);
  if (panel.isWhole(step, half)) {
    const BFloat16 *lines =
        line < 12 ? (const BFloat16 *)main
                  : (const BFloat16 *)(panel.rest + (2 * step + half) * tileRestBytes) - 12 * 32;
    return lines[line * 32 + value];
  }
  const uint8_t *quad = main + line / 4 * 192;
  const uint64_t at = value / 8 * 16 + line % 2 * 8 + value % 8;
  const uint32_t bits = quad[64 + line % 4 / 2 * 64 + at];
  const uint32_t place = quad[at] >> (line % 4 / 2 * 4) & 15;
  const uint32_t exponent = uint32_t(panel.head[place]) << 1 | panel.head[16 + place] >> 7;
  return {uint16_t((bits & 0x80) << 8 | exponent << 7 | (bits & 0x7f))};
}
