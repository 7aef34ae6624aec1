// 16-bit floating point, bit by bit: the same on every processor. Without branches, so that
// compilers make vectors of loops over them.
#pragma once

#include <bit>
#include <cstdint>

namespace vinci {

inline float floatOfBFloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

/// Nearest, ties to even. A NaN stays a (quiet) NaN.
inline uint16_t bfloat16OfFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40;
  return uint16_t((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

inline float floatOfFloat16(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000) << 16, rest = uint32_t(bits & 0x7fff) << 13;
  // The exponent's bias grows by 112; a subnormal becomes a normal number by that.
  const auto finite = std::bit_cast<uint32_t>(std::bit_cast<float>(rest) * 0x1p112f);
  return std::bit_cast<float>(sign | (rest >= 0x0f800000 ? rest | 0x7f800000 : finite));
}

/// Nearest, ties to even; infinity beyond 65519.
inline uint16_t float16OfFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  const uint32_t normal = (size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13;
  // Below 2^-14: adding 0.5 leaves the value in units of 2^-24, rounded.
  const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(size) + 0.5f) - 0x3f000000;
  uint32_t result = size < 0x38800000 ? small : normal;
  result = size >= 0x477ff000 ? 0x7c00 : result; // 65520 rounds to infinity
  result = size > 0x7f800000 ? 0x7e00 : result;
  return uint16_t(sign | result);
}

} // namespace vinci
