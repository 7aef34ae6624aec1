#include "runtime/support/dtype.h"

#include <array>
#include <utility>

namespace vinci {

static constexpr std::array<std::pair<DType, std::string_view>, 5> names = {{
    {DType::Float32, "float32"},
    {DType::BFloat16, "bfloat16"},
    {DType::Float16, "float16"},
    {DType::Int32, "int32"},
    {DType::Int8, "int8"},
}};

std::string_view toString(DType type) {
  for (const auto &[value, name] : names)
    if (value == type)
      return name;
  return "unknown";
}

std::optional<DType> parseDType(std::string_view text) {
  for (const auto &[value, name] : names)
    if (name == text)
      return value;
  return std::nullopt;
}

} // namespace vinci
