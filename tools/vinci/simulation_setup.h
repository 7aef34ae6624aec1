// From a deployment's settings to what a simulation of serving needs: stack, scheduler, memory,
// load.
#pragma once

#include "frontend/deployment_spec.h"
#include "runtime/clock/plan_step_timer.h"
#include "runtime/serving/load.h"
#include "runtime/serving/scheduler.h"
#include "runtime/serving/stack_profile.h"
#include "tools/vinci/plan_memory.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vinci {

/// The profile that `name` stands for: a built-in one, or a file whose name ends in .yaml. Without
/// a name, the one that the deployment's files belong to. Throws Error for an unknown one.
StackProfile stackFor(const DeploymentSpec &deployment, const std::string &name);

/// Who issues collectives: what the deployment says; else the vector cores for a recipe, and the
/// host for other stacks. On which devices the ranks are: those of the deployment's mask, if it has
/// as many.
ClockOptions clockOptionsOf(const DeploymentSpec &deployment, uint32_t ranks);

/// How kernels are launched: by the deployment's graph mode and batch sizes, and the stack.
LaunchPolicy launchPolicyOf(const DeploymentSpec &deployment, const StackProfile &stack);

/// By the deployment's rule (runtime/device/memory_budget.h). A rule that leaves nothing is reported
/// through `warning`. Throws Error if it does not fit, naming the sum.
MemoryBudget memoryBudgetOf(const DeploymentSpec &deployment, const Plan &plan,
                            const DeviceSpec &device, std::string &warning);

/// The deployment's policy with its knobs. Throws Error naming the knob that is out of range.
std::unique_ptr<Scheduler> schedulerOf(const DeploymentSpec &deployment, const StackProfile &stack,
                                       const Plan &plan, const MemoryBudget &memory);

/// What the command line says of the load; the rest is the deployment's.
struct LoadOptions {
  std::optional<uint64_t> requests, concurrency, maxTokens;
  std::optional<double> rate; ///< requests per second; excludes concurrency
  std::string inputLengths, outputLengths;
  std::string traceFile;
  uint64_t seed = 0;
};

/// Throws a usage Error if neither says how long prompts and outputs are.
Load loadOf(const DeploymentSpec &deployment, const LoadOptions &options);

} // namespace vinci
