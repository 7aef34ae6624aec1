// Element types that Vinci computes and stores with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vinci {

/// Values match `DType` of runtime/plan/plan.fbs.
enum class DType : uint8_t { Float32 = 0, BFloat16 = 1, Float16 = 2, Int32 = 3, Int8 = 4 };

/// Bytes of one element.
constexpr size_t byteSize(DType type) {
  switch (type) {
  case DType::Float32:
  case DType::Int32:
    return 4;
  case DType::BFloat16:
  case DType::Float16:
    return 2;
  case DType::Int8:
    return 1;
  }
  return 0;
}

/// The longest sum of products of two int8, at most 2^14 each, that surely fits into int32.
inline constexpr int64_t maxInt8Depth = (int64_t(1) << 17) - 1;

/// "float32", "bfloat16", "float16", "int32", "int8": the spelling of flags, configs and reports.
std::string_view toString(DType type);

/// The inverse of toString; nullopt for anything else.
std::optional<DType> parseDType(std::string_view name);

} // namespace vinci
