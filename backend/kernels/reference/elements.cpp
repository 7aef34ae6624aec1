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

/// Bytes of Panel12 that a panel has beside its tiles.
static uint64_t headBytes(uint64_t depth) {
  return (32 + (depth + 31) / 32 + 63) / 64 * 64;
}

uint64_t panelElements(uint64_t columns, uint64_t depth, DType type) {
  const uint64_t panels = (columns + 31) / 32;
  const uint64_t heads = type == DType::BFloat16 ? panels * headBytes(depth) / 2 : 0;
  return panels * 32 * paddedDepth(depth, type) + heads;
}

/// As runtime/weights/panel12.h has it.
static uint16_t panel12Value(const uint8_t *weight, uint64_t columns, uint64_t depth, uint64_t n,
                             uint64_t k) {
  const uint64_t panels = (columns + 31) / 32, steps = (depth + 31) / 32;
  const uint64_t panel = n / 32, step = k / 32, half = n % 32 / 16;
  const uint64_t tile = (panel * steps + step) * 2 + half, tiles = panels * steps * 2;
  const uint8_t *main = weight + tile * 768, *rest = weight + tiles * 768 + tile * 256;
  const uint8_t *head = weight + tiles * 1024 + panel * headBytes(depth);
  const uint64_t line = k % 32 / 2, value = n % 16 * 2 + k % 2;
  if ((head[32 + step] >> half & 1) != 0) {
    const uint64_t at = (line * 32 + value) * 2;
    const uint8_t *bytes = at < 768 ? main + at : rest + at - 768;
    return static_cast<uint16_t>(bytes[0] | bytes[1] << 8);
  }
  const uint8_t *quad = main + line / 4 * 192;
  const uint64_t at = 16 * (value / 8) + value % 8 + (line % 2 != 0 ? 8 : 0);
  const bool isLater = line % 4 >= 2;
  const uint8_t rounded = quad[(isLater ? 128 : 64) + at];
  const uint8_t place = isLater ? quad[at] >> 4 : quad[at] & 15;
  const uint16_t exponent = static_cast<uint16_t>(head[place] << 1 | head[16 + place] >> 7);
  return static_cast<uint16_t>((rounded & 0x80) << 8 | exponent << 7 | (rounded & 0x7f));
}

double panelValue(const Elements &weights, uint64_t base, uint64_t columns, uint64_t depth,
                  uint64_t n, uint64_t k) {
  if (weights.type() != DType::BFloat16)
    return weights.get(base + panelIndex(n, k, depth, weights.type()));
  const auto *weight = static_cast<const uint8_t *>(weights.data()) + base * 2;
  return fromBFloat16(panel12Value(weight, columns, depth, n, k));
}

} // namespace vinci::reference
