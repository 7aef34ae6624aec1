// What each fusion and each setting is worth: the same load, one thing changed.
#pragma once

#include "runtime/prediction/served_plan.h"

namespace vinci {

/// A pass of the compiler that can be switched.
struct SwitchedPass {
  std::string name;
  bool isOn = true;
};

/// What a plan is compiled with beside what the baseline is.
struct PlanChange {
  std::string passes;           ///< added to --passes
  std::vector<std::string> set; ///< added to --set

  bool isNone() const { return passes.empty() && set.empty(); }
  auto operator<=>(const PlanChange &) const = default;
};

/// A plan of the model, and what its memory comes to.
struct AblatedPlan {
  const Plan *plan = nullptr;
  MemoryBudget memory;
};

struct AblationRequest {
  ServingSettings settings;
  StackProfile stack;
  const CostModel &costs;
  ServedLoad load;
  std::vector<SwitchedPass> passes; ///< fusions
  /// The plan with this change; none: the baseline. It must outlive the ablation.
  std::function<AblatedPlan(const PlanChange &change)> plan;
  /// Whether that plan generates the same, in words.
  std::function<std::string(const PlanChange &change)> tokens;
};

struct AblationRow {
  std::string what, from, to;
  ServingMetrics metrics;
  std::string tokens;
};

struct AblationResult {
  ServingMetrics baseline;
  /// For each pass, graph mode, collective engine, prefetch, streams, format of weights, asynchronous
  /// scheduling and binding, turned the other way, and for all of them off and on.
  std::vector<AblationRow> rows;
  std::vector<std::string> withoutEffect; ///< what changed no byte of the plan, or no figure
};

/// `progress(done, total)` is called before each row.
AblationResult ablate(const AblationRequest &request,
                      const std::function<void(uint64_t, uint64_t)> &progress);

/// By how much `value` is above `base`, to hundredths.
double percentAbove(double value, double base);

} // namespace vinci
