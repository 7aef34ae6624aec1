// What a plan's collectives are called and how much they move.
#pragma once

#include "runtime/plan/plan_generated.h"

#include <cstdint>
#include <string_view>

namespace vinci {

/// "all_reduce", "all_gather", "reduce_scatter": the `op` of such a kernel.
std::string_view collectiveName(fb::CollectiveKind kind);

/// Which operand of a collective. The order is that of its operands.
enum CollectiveOperand : uint32_t { Receive = 0, Send = 1 };

/// True if a command of `kernel` computes before it meets other ranks: matmul_all_reduce.
inline bool computesFirst(const fb::Kernel &kernel) {
  return kernel.collective() && kernel.operands() > 2;
}

/// True if a command of `kernel` runs compiled code: all but collectives that compute nothing, and
/// prefetches.
inline bool isCompiled(const fb::Kernel &kernel) {
  return !kernel.prefetch() && (!kernel.collective() || computesFirst(kernel));
}

/// Bytes that a collective of a verified plan writes or reads of one rank's operand at the plan's
/// limits.
uint64_t collectiveBytes(const fb::Plan &plan, const fb::Collective &collective,
                         CollectiveOperand operand);

} // namespace vinci
