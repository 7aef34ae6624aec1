// The figures of a served plan as reports have them.
#pragma once

#include "runtime/prediction/served_plan.h"
#include "tools/vinci/report.h"

namespace vinci {

/// Kernels of a step of decoding, by op, the longest first.
Report opRows(const PlanClock &clock, const StepRecord &step);
/// What that step needs, and by how much that may be wrong.
Report stepReport(const ServedPlan &served, const TypicalStep &typical);
Report memoryReport(const MemoryBudget &memory);
/// The means of the whole run with all constants at one end of their ranges, as they are the same
/// in every step: nine of ten lie above p10, nine of ten below p90. dominated_by: the constant
/// whose own range is worth the most in the `typical` step, if there is one.
Report rangeReport(const ServedPlan &served, const ServedLoad &load,
                   const std::optional<TypicalStep> &typical);

/// With at most six decimals.
double round6(double value);

} // namespace vinci
