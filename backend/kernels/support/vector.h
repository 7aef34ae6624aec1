// Vectors of 16 lanes and how the element types are loaded into them and stored from them.
//
// Templates are written once for all CPUs: a vector of 16 floats is one zmm register under AVX-512
// and is split into two ymm registers under AVX2. All arithmetic is float32. Nothing here may
// become a call: no memcpy, no libm.
#pragma once

#include <stdint.h>

/// What the target has; the code generator defines these as constants. Width in bytes of its
/// vectors: 32 or 64. Whether it multiplies int8 by vpdpbusd (VNNI), bfloat16 and int8 by tiles
/// (AMX), and bfloat16 by vdpbf16ps faster than by fused multiply-adds.
extern "C" const uint32_t vinciVectorBytes, vinciHasVnni, vinciHasAmx, vinciHasBf16Dot;

using Floats = float __attribute__((ext_vector_type(16)));
using Doubles = double __attribute__((ext_vector_type(16)));
using Ints = int32_t __attribute__((ext_vector_type(16)));
using Words = uint32_t __attribute__((ext_vector_type(16)));

constexpr uint64_t lanes = 16;

/// Storage of a bfloat16: the upper half of a float32.
struct BFloat16 {
  uint16_t bits;
};

/// The value of one element, and the nearest element (ties to even) of a value.
inline float toFloat(float value) {
  return value;
}
inline float toFloat(_Float16 value) {
  return value;
}
inline float toFloat(BFloat16 value) {
  return __builtin_bit_cast(float, uint32_t(value.bits) << 16);
}

inline Floats splat(float value) {
  return Floats(value);
}

/// a * b + c with one rounding.
inline Floats fma(Floats a, Floats b, Floats c) {
  return __builtin_elementwise_fma(a, b, c);
}

/// Per lane: mask ? a : b. Masks are what comparisons of vectors give: all ones or all zeros.
inline Floats select(Ints mask, Floats a, Floats b) {
  return mask ? a : b;
}

namespace detail {

// Elements are aligned to themselves only: rows of 80 bfloat16 start anywhere.
typedef Floats UnalignedFloats __attribute__((aligned(4)));
using Halves = _Float16 __attribute__((ext_vector_type(16)));
typedef Halves UnalignedHalves __attribute__((aligned(2)));
using Shorts = uint16_t __attribute__((ext_vector_type(16)));
typedef Shorts UnalignedShorts __attribute__((aligned(2)));
using BFloats = __bf16 __attribute__((ext_vector_type(16)));
typedef BFloats UnalignedBFloats __attribute__((aligned(2)));

/// The upper halves of the words after rounding to nearest even. A NaN stays one: its quiet bit is
/// set before the cut.
inline Words bfloat16Bits(Floats values) {
  const Words bits = __builtin_bit_cast(Words, values);
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words quiet = (bits >> 16) | 0x40;
  return values == values ? rounded : quiet;
}

} // namespace detail

inline Floats load(const float *from) {
  return *(const detail::UnalignedFloats *)from;
}
inline Floats load(const _Float16 *from) {
  return __builtin_convertvector(*(const detail::UnalignedHalves *)from, Floats);
}
inline Floats load(const BFloat16 *from) {
  const detail::Shorts bits = *(const detail::UnalignedShorts *)from;
  return __builtin_bit_cast(Floats, __builtin_convertvector(bits, Words) << 16);
}

inline void store(float *to, Floats values) {
  *(detail::UnalignedFloats *)to = values;
}
inline void store(_Float16 *to, Floats values) {
  *(detail::UnalignedHalves *)to = __builtin_convertvector(values, detail::Halves);
}
/// Targets that multiply pairs of bfloat16 also round to it in one instruction, which takes
/// subnormal numbers for zeros, as their products do.
inline void store(BFloat16 *to, Floats values) {
  if (vinciHasBf16Dot)
    *(detail::UnalignedBFloats *)to = __builtin_convertvector(values, detail::BFloats);
  else
    *(detail::UnalignedShorts *)to =
        __builtin_convertvector(detail::bfloat16Bits(values), detail::Shorts);
}

/// The first `count` < 16 lanes; the others are zero and their memory is not touched.
template <typename T> inline Floats loadPart(const T *from, uint64_t count) {
  T part[lanes];
#pragma clang loop unroll(full)
  for (uint64_t i = 0; i < lanes; ++i)
    part[i] = i < count ? from[i] : T{};
  return load(part);
}

template <typename T> inline void storePart(T *to, Floats values, uint64_t count) {
  T part[lanes];
  store(part, values);
#pragma clang loop unroll(full)
  for (uint64_t i = 0; i < lanes; ++i)
    if (i < count)
      to[i] = part[i];
}

/// Rounds to T and back: what a value is after it has been through memory. Nothing for float32.
template <typename T> inline Floats roundTo(Floats values) {
  T memory[lanes];
  store(memory, values);
  return load(memory);
}
template <> inline Floats roundTo<float>(Floats values) {
  return values;
}
template <typename T> inline float roundTo(float value) {
  return roundTo<T>(splat(value)).x;
}
template <> inline float roundTo<float>(float value) {
  return value;
}

/// Whether a region of a kernel computes in float32 and rounds only what it stores; one in T rounds
/// every result to T.
template <typename T> inline constexpr bool isFloat32 = false;
template <> inline constexpr bool isFloat32<float> = true;
template <typename T> inline constexpr bool isFloat16 = false;
template <> inline constexpr bool isFloat16<_Float16> = true;
template <typename T> inline constexpr bool isBFloat16 = false;
template <> inline constexpr bool isBFloat16<BFloat16> = true;

/// Sum and maximum of all lanes, always in the same order: halves onto each other.
inline float sumLanes(Floats v) {
  using Floats8 = float __attribute__((ext_vector_type(8)));
  using Floats4 = float __attribute__((ext_vector_type(4)));
  const Floats8 eight = v.lo + v.hi;
  const Floats4 four = eight.lo + eight.hi;
  return (four.x + four.z) + (four.y + four.w);
}

inline float maxLanes(Floats v) {
  const auto eight = __builtin_elementwise_max(v.lo, v.hi);
  const auto four = __builtin_elementwise_max(eight.lo, eight.hi);
  const auto two = __builtin_elementwise_max(four.lo, four.hi);
  return two.x > two.y ? two.x : two.y;
}

/// {0, 1, .. 15}.
inline Ints laneNumbers() {
  return Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

/// Calls body(index, count) for consecutive runs of 16 of 0..n, with count < 16 only in the last
/// one. Where n is a constant of the kernel, so are all counts.
template <typename Body> inline void forLanes(uint64_t n, Body body) {
  uint64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    body(i, lanes);
  if (i < n)
    body(i, n - i);
}

template <typename T> inline Floats loadUpTo(const T *from, uint64_t count) {
  return count == lanes ? load(from) : loadPart(from, count);
}

template <typename T> inline void storeUpTo(T *to, Floats values, uint64_t count) {
  if (count == lanes)
    store(to, values);
  else
    storePart(to, values, count);
}

/// Copies n elements; rows do not overlap.
template <typename T> inline void copyRow(T *to, const T *from, uint64_t n) {
  uint64_t i = 0;
  for (; i + 64 / sizeof(T) <= n; i += 64 / sizeof(T)) {
    typedef Words UnalignedWords __attribute__((aligned(1)));
    *(UnalignedWords *)(to + i) = *(const UnalignedWords *)(from + i);
  }
  for (; i < n; ++i)
    to[i] = from[i];
}
