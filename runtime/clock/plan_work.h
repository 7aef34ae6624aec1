// What a step of a plan does on one rank, whatever the device: what the virtual clock turns into
// time.
#pragma once

#include "runtime/plan/cost.h"
#include "runtime/plan/entry_kind.h"
#include "runtime/plan/plan.h"

namespace vinci {

struct StepWork {
  uint64_t launches = 0; ///< of kernels that compute
  uint64_t collectives = 0;
  double flops = 0;
  double hbmBytes = 0; ///< that kernels read and write, were there no L2
  double collectiveBytes = 0;

  StepWork &operator+=(const StepWork &other);
};

/// Flops and bytes of memory of one compiled kernel, or the bytes of one collective. Experts that
/// were not recorded are expected from uniform routing; attention reads the keys and values that
/// are in the cache, and its queries.
StepWork workOf(const Cost &cost, const StepRecord &step);

/// Of all calls of the entry. Throws Error if the plan carries no costs.
StepWork workOf(const Plan &plan, EntryKind entry, StepRecord step);

} // namespace vinci
