#include "backend/kernels/reference/elements.h"

#include "runtime/support/error.h"

#include <bit>

namespace vinci::reference {

float fromBFloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

uint16_t toBFloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value != value)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float fromFloat16(uint16_t bits) {
  return static_cast<float>(std::bit_cast<_Float16>(bits));
}

uint16_t toFloat16(float value) {
  return std::bit_cast<uint16_t>(static_cast<_Float16>(value));
}

double Elements::get(uint64_t index) const {
  switch (type_) {
  case DType::Float32:
    return static_cast<const float *>(data_)[index];
  case DType::BFloat16:
    return fromBFloat16(static_cast<const uint16_t *>(data_)[index]);
  case DType::Float16:
    return fromFloat16(static_cast<const uint16_t *>(data_)[index]);
  case DType::Int32:
    return static_cast<const int32_t *>(data_)[index];
  case DType::Int8:
    return static_cast<const int8_t *>(data_)[index];
  }
  failInternal("reference kernels do not compute with {}", toString(type_));
}

void Elements::set(uint64_t index, double value) const {
  switch (type_) {
  case DType::Float32:
    static_cast<float *>(data_)[index] = static_cast<float>(value);
    return;
  case DType::BFloat16:
    static_cast<uint16_t *>(data_)[index] = toBFloat16(static_cast<float>(value));
    return;
  case DType::Float16:
    static_cast<uint16_t *>(data_)[index] = toFloat16(static_cast<float>(value));
    return;
  case DType::Int32:
    static_cast<int32_t *>(data_)[index] = static_cast<int32_t>(value);
    return;
  case DType::Int8:
    static_cast<int8_t *>(data_)[index] = static_cast<int8_t>(value);
    return;
  }
  failInternal("reference kernels do not compute with {}", toString(type_));
}

double roundedTo(DType region, double value) {
  if (region == DType::BFloat16)
    return fromBFloat16(toBFloat16(static_cast<float>(value)));
  if (region == DType::Float16)
    return fromFloat16(toFloat16(static_cast<float>(value)));
  return value;
}

/// K as it is stored.
static uint64_t paddedDepth(uint64_t depth, DType type) {
  const uint64_t multiple = type == DType::Int8 ? 64 : 32;
  return (depth + multiple - 1) / multiple * multiple;
}

uint64_t panelIndex(uint64_t n, uint64_t k, uint64_t depth, DType type) {
  const uint64_t panel = n / 32 * 32 * paddedDepth(depth, type);
  if (byteSize(type) == 4)
    return panel + k * 32 + n % 32;
  if (byteSize(type) == 2)
    return panel + k / 32 * 1024 + n % 32 / 16 * 512 + k % 32 / 2 * 32 + n % 16 * 2 + k % 2;
  return panel + k / 64 * 2048 + n % 32 / 16 * 1024 + k % 64 / 4 * 64 + n % 16 * 4 + k % 4;
}

uint64_t panelElements(uint64_t columns, uint64_t depth, DType type) {
  return (columns + 31) / 32 * 32 * paddedDepth(depth, type);
}

} // namespace vinci::reference
