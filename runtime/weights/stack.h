// Weights that are stacks of tensors, one per expert.
#pragma once

#include "runtime/plan/plan_generated.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace vinci {

/// The number of tensors of a weight: 1 for a single one, whose count is 0.
inline uint32_t stackCount(const fb::Weight &weight) {
  return std::max(1u, weight.count());
}

/// The checkpoint name of tensor `index` of a stack: `source` with "{}" replaced.
std::string stackSource(std::string_view source, uint64_t index);

} // namespace vinci
