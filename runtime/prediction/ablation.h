// What each fusion and each setting is worth: the same load, one thing changed.
#pragma once

#include "runtime/prediction/served_plan.h"

namespace vinci {

/// A pass of the compiler that can be switched.
struct SwitchedPass {
  std::string name;
  bool isOn = true;
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
  std::vector<SwitchedPass> passes;
  /// The plan with this added to what --passes says; nothing: the baseline. It must outlive the
  /// ablation.
  std::function<AblatedPlan(const std::string &passes)> plan;
  /// Whether that plan generates the same, in words.
  std::function<std::string(const std::string &passes)> tokens;
};

struct AblationRow {
  std::string what, from, to;
  ServingMetrics metrics;
  std::string tokens;
};

struct AblationResult {
  ServingMetrics baseline;
  /// For each pass, graph mode, collective engine, prefetch, format of weights, asynchronous
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
