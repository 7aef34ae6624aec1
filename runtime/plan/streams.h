// What the streams of a plan are called.
#pragma once

#include "runtime/plan/plan_generated.h"

#include <array>
#include <string_view>

namespace vinci {

/// "compute", "cube", ...: of the stream of a verified command.
inline std::string_view streamName(uint32_t stream) {
  static constexpr std::array<std::string_view, size_t(fb::Stream::MAX) + 1> names = {
      "compute", "cube", "vector", "communication", "prefetch"};
  return names[stream];
}

} // namespace vinci
