// 16-bit floating point, bit by bit: for the few places that are not hot and must not depend on the
// processor.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace vinci {

inline float floatOfBFloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

/// Nearest, ties to even. A NaN stays a (quiet) NaN.
inline uint16_t bfloat16OfFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float floatOfFloat16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16;
  uint32_t exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0) // zero or subnormal: mantissa * 2^-24
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(mantissa) * 0x1p-24f));
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

/// Nearest, ties to even; infinity beyond 65519.
inline uint16_t float16OfFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto sign = uint16_t(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return sign | 0x7e00;
  if (bits >= 0x477ff000) // 65520 rounds to infinity
    return sign | 0x7c00;
  if (bits < 0x38800000) // below 2^-14: adding 0.5 leaves the value in units of 2^-24, rounded
    return uint16_t(sign |
                    (std::bit_cast<uint32_t>(std::bit_cast<float>(bits) + 0.5f) - 0x3f000000));
  return uint16_t(sign | ((bits + 0xfff + (bits >> 13 & 1) - 0x38000000) >> 13));
}

} // namespace vinci
