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
  uint64_t prefetches = 0; ///< their bytes are counted where they are read
  double flops = 0;
  double hbmBytes = 0; ///< that kernels read and write, were there no L2
  double collectiveBytes = 0;
  // What measurements are held to: the least that must come from memory, and what is multiplied.
  double weightBytes = 0;  ///< of `hbmBytes`: matrices, of experts those that are hit
  double bfloat16Bytes = 0; ///< of `weightBytes`: matrices of bfloat16
  double kvBytes = 0;      ///< of `hbmBytes`: keys and values that are in the cache
  double productFlops = 0; ///< of `flops`: products of matrices, and attention
  double int8Flops = 0;    ///< of `productFlops`: of int8 by int8

  StepWork &operator+=(const StepWork &other);
};

/// Flops and bytes of memory of one compiled kernel, or the bytes of one collective. Attention
/// reads the keys and values that are in the cache, and its queries. A grouped matmul reads the
/// experts that the step has recorded of MoE layer `moeLayer`; if it has recorded none, those that
/// uniform routing is expected to hit.
StepWork workOf(const Cost &cost, const StepRecord &step, uint32_t moeLayer = 0);

/// Of all calls of the entry. Throws Error if the plan carries no costs.
StepWork workOf(const Plan &plan, EntryKind entry, StepRecord step);

} // namespace vinci
