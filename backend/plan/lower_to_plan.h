// From a scheduled and laid-out `npu` program to the tables and segments of a plan: the last step
// of compilation.
#pragma once

#include "backend/codegen/cpu_target.h"
#include "backend/codegen/kernel_cache.h"
#include "backend/plan/plan_writer.h"

#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace vinci {

struct LoweredPlan {
  fb::PlanT tables;
  std::vector<SegmentData> segments; ///< the compiled kernels, then the constants if there are any
};

/// Walks the one `npu.program` of `module`, table by table, and compiles its kernels for `cpu`. The
/// program must have been through schedule-commands and plan-memory. Deterministic: everything is
/// in the order of the IR, and the same with and without a cache of kernels. Without `kernels` none
/// is compiled: the plan is good for times, not for values. Throws an internal Error for IR that
/// those passes would not make; the result still has to verify (serializePlan).
LoweredPlan lowerToPlan(mlir::ModuleOp module, const CpuTarget &cpu, KernelCache *cache = nullptr,
                        bool kernels = true);

} // namespace vinci
