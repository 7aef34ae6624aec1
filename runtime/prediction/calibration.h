// Fits the free constants of a serving stack to measured runs: the gap between steps, and the
// host's time for a launch where shapes are dynamic.
#pragma once

#include "runtime/prediction/served_plan.h"
#include "runtime/serving/result_table.h"

#include <array>

namespace vinci {

/// A constant before and after.
struct FittedValue {
  const char *name = ""; ///< of the stack's YAML
  double before = 0, after = 0;
  /// With the device's constants at their ends, of which it is what they leave.
  double low = 0, high = 0;
  /// False: the runs say next to nothing of it, and it stays what it was.
  bool determined = true;
};

/// A run beside its simulation with the fitted constants.
struct FittedRun {
  const MeasuredRun *run = nullptr;
  ServingMetrics simulated;
};

struct Calibration {
  StackProfile stack; ///< the fitted one
  std::array<FittedValue, 2> values;
  std::vector<FittedRun> runs;
};

/// Serves each run's load again and again, with its clients, requests and lengths of prompts and
/// outputs, until the means of first tokens and of gaps between tokens are those of the table, in
/// the least squares of their relative errors. Constants stay at or above 0. Throws Error if there
/// are no runs or the load cannot be served.
Calibration calibrate(const ServingSettings &settings, const Plan &plan, const CostModel &costs,
                      const StackProfile &stack, const std::vector<MeasuredRun> &runs,
                      const std::function<void(uint64_t, uint64_t)> &progress);

} // namespace vinci
