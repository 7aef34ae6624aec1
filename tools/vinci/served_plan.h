// What `simulate`, its ablation and `explore` have in common: from MODEL|PLAN|DEPLOYMENT to a
// compiled plan, how it is served, and the figures of a load.
#pragma once

#include "runtime/plan/mesh.h"
#include "runtime/serving/metrics.h"
#include "tools/vinci/compile_options.h"
#include "tools/vinci/report.h"
#include "tools/vinci/simulation_setup.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vinci {

/// What is simulated. A plan says nothing of how it is served.
struct Subject {
  DeploymentSpec deployment;
  Plan plan;
};

/// A plan as it is, or a model or deployment compiled without kernels. Behind vLLM a
/// model has vLLM's limits, 256 sequences and 8192 tokens a step, where flags and deployment give none. Warnings of the compiler go
/// to stderr unless `quiet`. Throws Error for IR, and for compile options that come with a plan.
Subject subjectOf(const std::string &model, const CompileFlags &flags, bool quiet = false);

/// What `name` stands for: a shipped specification, FILE.yaml, FILE.ini of a chip like the
/// target's, or, if it is empty, the target's. Throws a usage Error if neither names an NPU.
DeviceSpec deviceFor(const DeploymentSpec &deployment, const std::string &name);

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

/// A plan on a device behind a stack. Each load is served from the beginning.
class ServedPlan {
public:
  /// Deployment, plan and costs must outlive it. Throws Error if the model does not fit the device.
  ServedPlan(const DeploymentSpec &deployment, const Plan &plan, StackProfile stack,
             const CostModel &costs, const std::optional<Routing> &routing = {});

  /// Throws Error if the load or the scheduler's settings are not legal.
  Served serve(const LoadSettings &load,
               const std::function<void(const SimulatedStep &)> &onStep = {},
               Estimate estimate = Estimate::Mean) const;

  const Plan &plan() const { return plan_; }
  const DeploymentSpec &deployment() const { return deployment_; }
  const StackProfile &stack() const { return stack_; }
  const PlanClock &clock() const { return clock_; }
  const PlanStepTimer &timer() const { return timer_; }
  const MemoryBudget &memory() const { return memory_; }
  uint32_t ranks() const { return ranks_; }
  /// Of ranks that have the same tokens, each with a scheduler and a KV cache of its own.
  uint32_t groups() const { return dataGroupsOf(*plan_.root()); }
  /// What is odd about the memory's settings; empty: nothing.
  const std::string &warning() const { return warning_; }
  StepRecord recordOf(const TypicalStep &typical) const;

private:
  const DeploymentSpec &deployment_;
  const Plan &plan_;
  const StackProfile stack_;
  const uint32_t ranks_;
  PlanClock clock_;
  PlanStepTimer timer_;
  std::string warning_;
  MemoryBudget memory_;
};

/// Kernels of a step of decoding, by op, the longest first.
Report opRows(const PlanClock &clock, const StepRecord &step);
/// What that step needs, and by how much that may be wrong.
Report stepReport(const ServedPlan &served, const TypicalStep &typical);
Report memoryReport(const MemoryBudget &memory);
/// The means of the whole run with all constants at one end of their ranges, as they are the same
/// in every step: nine of ten lie above p10, nine of ten below p90.
Report rangeReport(const ServedPlan &served, const LoadSettings &load);

/// With at most six decimals.
double round6(double value);

} // namespace vinci
