// int8 activations and weights: their vectors, and weights as Panel32.
//
// Panel32 of int8: panels of 32 columns over the full K, padded to 64. A step of a panel is the
// weights of four values of k: one cache line of [16 columns][4]; 16 such steps make a 1 KiB tile
// of columns 0-15, and the tile of columns 16-31 follows it.
#pragma once

#include "support/vector.h"

constexpr uint64_t int8StepBytes = 64, int8TileBytes = 1024, int8TileDepth = 64;

/// Bytes of one panel of a weight with `k` inputs.
constexpr uint64_t int8PanelBytes(uint64_t k) {
  return (k + int8TileDepth - 1) / int8TileDepth * 2 * int8TileBytes;
}

/// The weights of 16 columns at one of the four k of a step, sign-extended.
template <int index> inline Ints widenStep(Words step) {
  return __builtin_bit_cast(Ints, step << (24 - 8 * index)) >> 24;
}

/// The nearest integers, ties to even, within -128..127; NaN gives 0.
inline Ints roundToInt8(Floats values) {
  const Floats numbers = select(values == values, values, splat(0.0f));
  const Floats least = splat(-128.0f), most = splat(127.0f);
  const Floats clamped = __builtin_elementwise_min(__builtin_elementwise_max(numbers, least), most);
  return __builtin_convertvector(__builtin_elementwise_roundeven(clamped), Ints);
}

namespace detail {
using Bytes = int8_t __attribute__((ext_vector_type(16)));
typedef Bytes UnalignedBytes __attribute__((aligned(1)));
} // namespace detail

/// The first `count` lanes, each within -128..127.
inline void storeUpTo(int8_t *to, Ints values, uint64_t count) {
  const detail::Bytes bytes = __builtin_convertvector(values, detail::Bytes);
  if (count == lanes) {
    *(detail::UnalignedBytes *)to = bytes;
    return;
  }
#pragma clang loop unroll(full)
  for (uint64_t i = 0; i < lanes; ++i)
    if (i < count)
      to[i] = bytes[i];
}

/// A row of activations as int8; valueAt(i, count) gives the elements from i on, rounded as they
/// would be in memory. It is called once or twice for each.
template <typename ValueAt>
inline void quantizeRow(int8_t *out, uint64_t n, float scale, float offset, ValueAt valueAt) {
  forLanes(n, [&](uint64_t i, uint64_t count) {
    storeUpTo(out + i, roundToInt8(valueAt(i, count) / splat(scale) + splat(offset)), count);
  });
}

/// The largest absolute value of a row.
template <typename ValueAt> inline float rowMax(uint64_t n, ValueAt valueAt) {
  // As integers, absolute values are ordered with infinity above all numbers and NaN above that.
  Ints largest = 0;
  forLanes(n, [&](uint64_t i, uint64_t count) {
    const Ints bits = __builtin_bit_cast(Ints, valueAt(i, count)) & 0x7fffffff;
    const Ints inRow = laneNumbers() < int32_t(count);
    largest = __builtin_elementwise_max(largest, bits & inRow);
  });
  return __builtin_bit_cast(float, __builtin_reduce_max(largest));
}

/// Gives the scale of the row, whose largest absolute value is `largest`.
template <typename ValueAt>
inline float dynamicQuantizeRow(int8_t *out, uint64_t n, float largest, ValueAt valueAt) {
  const float scale = largest / 127.0f;
  if (scale == 0.0f)
    forLanes(n, [&](uint64_t i, uint64_t count) { storeUpTo(out + i, Ints(0), count); });
  else
    quantizeRow(out, n, scale, 0.0f, valueAt);
  return scale;
}

template <typename ValueAt>
inline float dynamicQuantizeRow(int8_t *out, uint64_t n, ValueAt valueAt) {
  return dynamicQuantizeRow(out, n, rowMax(n, valueAt), valueAt);
}

/// The first `count` integers; the other lanes are zero and their memory is not touched.
inline Ints loadUpTo(const int32_t *from, uint64_t count) {
  return __builtin_bit_cast(Ints, loadUpTo((const float *)from, count));
}
