#include "runtime/weights/packing.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

namespace vinci {

namespace {

// As in runtime/support/half.h, but without branches, so that loops over them become vector code.

uint16_t floatToBFloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // Rounding would carry some NaNs into infinity or zero: keep their upper bits and make them
  // quiet.
  return uint16_t(std::isnan(value) ? (bits >> 16) | 0x40 : rounded);
}

float bfloat16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(uint32_t(bits) << 16);
}

uint16_t floatToFloat16(float value) {
  constexpr uint32_t infinity = 0x7f800000;
  constexpr uint32_t tooLarge = (127 + 16) << 23;    // 65536
  constexpr uint32_t leastNormal = (127 - 14) << 23; // 2^-14
  constexpr float half = 0.5f; // its last bit is 2^-24, that of float16's subnormals
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits & 0x80000000;
  bits ^= sign;
  // The addition rounds to a multiple of 2^-24, to nearest even; what is left over 0.5 is the
  // subnormal's fraction.
  uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(bits) + half) - std::bit_cast<uint32_t>(half);
  // Moves the exponent's bias from 127 to 15 and rounds off 13 bits; carries run into the exponent
  // as they should.
  uint32_t normal = (bits - ((127 - 15) << 23) + 0xfff + ((bits >> 13) & 1)) >> 13;
  uint32_t large = bits > infinity ? 0x7e00 : 0x7c00;
  uint32_t result = bits >= tooLarge ? large : bits < leastNormal ? subnormal : normal;
  return uint16_t(result | (sign >> 16));
}

float float16ToFloat(uint16_t bits) {
  uint32_t exponent = bits & 0x7c00;
  uint32_t magnitude = uint32_t(bits & 0x7fff) << 13;
  // Subnormals are multiples of 2^-24, and small integers are exact in float.
  float subnormal = float(bits & 0x03ff) * 0x1p-24f;
  uint32_t normal = magnitude + ((127 - 15) << 23);
  uint32_t large = magnitude | 0x7f800000;
  uint32_t result = exponent == 0        ? std::bit_cast<uint32_t>(subnormal)
                    : exponent == 0x7c00 ? large
                                         : normal;
  return std::bit_cast<float>(result | (uint32_t(bits & 0x8000) << 16));
}

template <DType type> struct Element;
template <> struct Element<DType::Float32> {
  using Storage = float;
  static float toFloat(float value) { return value; }
  static float fromFloat(float value) { return value; }
};
template <> struct Element<DType::BFloat16> {
  using Storage = uint16_t;
  static float toFloat(uint16_t bits) { return bfloat16ToFloat(bits); }
  static uint16_t fromFloat(float value) { return floatToBFloat16(value); }
};
template <> struct Element<DType::Float16> {
  using Storage = uint16_t;
  static float toFloat(uint16_t bits) { return float16ToFloat(bits); }
  static uint16_t fromFloat(float value) { return floatToFloat16(value); }
};
template <> struct Element<DType::Int8> {
  using Storage = int8_t;
  static float toFloat(int8_t value) { return value; }
};

/// Checkpoint data need not be aligned to its element size, hence memcpy; compilers make plain
/// loads of it.
template <DType fromType, DType toType>
uint64_t convert(const std::byte *from, std::byte *to, uint64_t count) {
  using From = Element<fromType>;
  using To = Element<toType>;
  uint64_t overflows = 0;
  for (uint64_t i = 0; i < count; ++i) {
    typename From::Storage in;
    std::memcpy(&in, from + i * sizeof in, sizeof in);
    float value = From::toFloat(in);
    typename To::Storage out = To::fromFloat(value);
    overflows += std::isinf(To::toFloat(out)) && !std::isinf(value);
    std::memcpy(to + i * sizeof out, &out, sizeof out);
  }
  return overflows;
}

template <DType fromType>
uint64_t convertFrom(const std::byte *from, std::byte *to, DType toType, uint64_t count) {
  switch (toType) {
  case DType::Float32:
    return convert<fromType, DType::Float32>(from, to, count);
  case DType::BFloat16:
    return convert<fromType, DType::BFloat16>(from, to, count);
  case DType::Float16:
    return convert<fromType, DType::Float16>(from, to, count);
  case DType::Int32:
  case DType::Int8:
    break;
  }
  failInternal("weights of dtype {} cannot be made", toString(toType));
}

/// Columns of K that are converted at a time: 32 rows of them stay in the L1 cache while they are
/// transposed.
constexpr uint64_t kBlock = 256;

/// `rows` holds 32 rows of kBlock elements. Writes `steps` k-steps of 32, each two tiles of 16
/// columns, k in pairs.
void transposePairs(const uint16_t *rows, uint64_t steps, uint16_t *out) {
  for (uint64_t step = 0; step < steps; ++step)
    for (uint64_t half = 0; half < 2; ++half)
      for (uint64_t k = step * 32; k < step * 32 + 32; k += 2)
        for (uint64_t column = half * 16; column < half * 16 + 16; ++column) {
          *out++ = rows[column * kBlock + k];
          *out++ = rows[column * kBlock + k + 1];
        }
}

/// The same for int8: k-steps of 64, k in fours.
void transposeFours(const std::byte *rows, uint64_t steps, std::byte *out) {
  for (uint64_t step = 0; step < steps; ++step)
    for (uint64_t half = 0; half < 2; ++half)
      for (uint64_t k = step * 64; k < step * 64 + 64; k += 4)
        for (uint64_t column = half * 16; column < half * 16 + 16; ++column, out += 4)
          std::memcpy(out, rows + column * kBlock + k, 4);
}

void transposeFloats(const float *rows, uint64_t steps, float *out) {
  for (uint64_t k = 0; k < steps * 32; ++k)
    for (uint64_t column = 0; column < 32; ++column)
      *out++ = rows[column * kBlock + k];
}

/// One panel: output columns panel*32 .. +32 over all of K.
uint64_t packPanel(const std::byte *from, DType fromType, uint64_t n, uint64_t k, uint64_t panel,
                   std::byte *to, DType toType) {
  alignas(64) std::byte rows[32 * kBlock * sizeof(float)];
  const uint64_t outSize = byteSize(toType);
  const uint64_t paddedK = roundUp(k, panelDepth(toType));
  uint64_t overflows = 0;
  std::byte *out = to + panel * panelWidth * paddedK * outSize;
  for (uint64_t begin = 0; begin < paddedK; begin += kBlock) {
    uint64_t width = std::min(kBlock, paddedK - begin);
    uint64_t valid = std::min(kBlock, k - begin);
    for (uint64_t row = 0; row < 32; ++row) {
      std::byte *target = rows + row * kBlock * outSize;
      uint64_t column = panel * panelWidth + row;
      uint64_t count = column < n ? valid : 0;
      if (count != 0)
        overflows += convertElements(from + (column * k + begin) * byteSize(fromType), fromType,
                                     target, toType, count);
      std::memset(target + count * outSize, 0, (width - count) * outSize);
    }
    if (outSize == sizeof(float))
      transposeFloats(reinterpret_cast<const float *>(rows), width / 32,
                      reinterpret_cast<float *>(out));
    else if (outSize == sizeof(uint16_t))
      transposePairs(reinterpret_cast<const uint16_t *>(rows), width / 32,
                     reinterpret_cast<uint16_t *>(out));
    else
      transposeFours(rows, width / 64, out);
    out += width * panelWidth * outSize;
  }
  return overflows;
}

} // namespace

uint64_t convertElements(const std::byte *from, DType fromType, std::byte *to, DType toType,
                         uint64_t count) {
  if (fromType == toType) {
    if (count != 0)
      std::memcpy(to, from, count * byteSize(toType));
    return 0;
  }
  switch (fromType) {
  case DType::Float32:
    return convertFrom<DType::Float32>(from, to, toType, count);
  case DType::BFloat16:
    return convertFrom<DType::BFloat16>(from, to, toType, count);
  case DType::Float16:
    return convertFrom<DType::Float16>(from, to, toType, count);
  case DType::Int8:
    return convertFrom<DType::Int8>(from, to, toType, count);
  case DType::Int32:
    break;
  }
  failInternal("weights of dtype {} cannot be read", toString(fromType));
}

uint64_t packPanel32(const std::byte *from, DType fromType, uint64_t n, uint64_t k, std::byte *to,
                     DType toType) {
  std::atomic<uint64_t> overflows = 0;
  tbb::parallel_for(uint64_t(0), roundUp(n, panelWidth) / panelWidth, [&](uint64_t panel) {
    overflows += packPanel(from, fromType, n, k, panel, to, toType);
  });
  return overflows;
}

uint64_t packTensor(const std::byte *from, DType fromType, std::span<const uint64_t> shape,
                    std::byte *to, DType toType, fb::Packing packing) {
  if (packing == fb::Packing::Panel32)
    return packPanel32(from, fromType, shape[0], shape[1], to, toType);
  constexpr uint64_t grain = 1 << 18;
  std::atomic<uint64_t> overflows = 0;
  tbb::parallel_for(
      tbb::blocked_range<uint64_t>(0, *elementCount(shape), grain), [&](const auto &range) {
        overflows += convertElements(from + range.begin() * byteSize(fromType), fromType,
                                     to + range.begin() * byteSize(toType), toType, range.size());
      });
  return overflows;
}

} // namespace vinci
