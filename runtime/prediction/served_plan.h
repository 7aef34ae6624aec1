// A plan on a device behind a serving stack, and what serving a load on it comes to.
#pragma once

#include "runtime/plan/mesh.h"
#include "runtime/prediction/serving_settings.h"
#include "runtime/serving/load.h"
#include "runtime/serving/metrics.h"

#include <functional>
#include <map>
#include <vector>

namespace vinci {

/// A step of decoding as it is in the middle of the run, on a rank of the busiest group.
struct TypicalStep {
  uint32_t batch = 0;
  uint32_t context = 0;
};

/// The steps that only decode, by the batch of the busiest data-parallel group.
class DecodeSteps {
public:
  void add(std::span<const ScheduledStep> groups);
  /// The commonest batch, at its mean context; nullopt if there was none.
  std::optional<TypicalStep> typical() const;

private:
  struct Steps {
    uint64_t count = 0, meanContexts = 0; ///< the latter summed over them
  };
  std::map<uint32_t, Steps> byBatch_;
};

/// What serving a load came to.
struct Served {
  SimulationResult result;
  ServingMetrics metrics;
  std::optional<uint64_t> concurrency; ///< of a load with clients that wait
  std::optional<TypicalStep> typical;
};

/// Requests, and the seed of everything else that is random.
struct ServedLoad {
  Load load;
  uint64_t seed = 0;
};

/// Each load is served from the beginning.
class ServedPlan {
public:
  /// Plan and costs must outlive it.
  ServedPlan(ServingSettings settings, const Plan &plan, StackProfile stack,
             const CostModel &costs);
  ServedPlan(const ServedPlan &) = delete; // the timer points to the clock

  /// Throws Error if the scheduler's settings are not legal.
  Served serve(const ServedLoad &load,
               const std::function<void(const SimulatedStep &)> &onStep = {},
               Estimate estimate = Estimate::Mean) const;

  const Plan &plan() const { return plan_; }
  const ServingSettings &settings() const { return settings_; }
  const StackProfile &stack() const { return stack_; }
  const PlanClock &clock() const { return clock_; }
  const PlanStepTimer &timer() const { return timer_; }
  const MemoryBudget &memory() const { return settings_.memory; }
  uint32_t ranks() const { return ranks_; }
  /// Of ranks that have the same tokens, each with a scheduler and a KV cache of its own.
  uint32_t groups() const { return dataGroupsOf(*plan_.root()); }
  StepRecord recordOf(const TypicalStep &typical) const;

private:
  const ServingSettings settings_;
  const Plan &plan_;
  const StackProfile stack_;
  const uint32_t ranks_;
  PlanClock clock_;
  PlanStepTimer timer_;
};

} // namespace vinci
