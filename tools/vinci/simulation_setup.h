// From a deployment to how its plan is served: stack, settings, memory, load.
#pragma once

#include "frontend/deployment_spec.h"
#include "runtime/prediction/served_plan.h"

#include <optional>
#include <string>
#include <vector>

namespace vinci {

/// The profile that `name` stands for: a built-in one, or a file whose name ends in .yaml. Without
/// a name, the one that the deployment's files belong to. Throws Error for an unknown one.
StackProfile stackFor(const DeploymentSpec &deployment, const std::string &name);

/// Who issues collectives: what the deployment says; else the vector cores for a recipe, and the
/// host for other stacks. On which devices the ranks are: those of the deployment's mask, if it has
/// as many. Whether weights are in fractals, as they are where the deployment
/// says nothing. `routing` if there is one, else balanced where the deployment forces that.
ClockOptions clockOptionsOf(const DeploymentSpec &deployment, uint32_t ranks,
                            const std::optional<Routing> &routing = {});

/// What is captured: what the deployment says, else what the stack does by itself; a recipe that
/// says nothing captures nothing.
std::string graphModeOf(const DeploymentSpec &deployment, const StackProfile &stack);

/// How kernels are launched. Graphs are of the deployment's batch sizes; else of the plan's, if it
/// was compiled for this mode and batch; else of vLLM's.
LaunchPolicy launchPolicyOf(const DeploymentSpec &deployment, const StackProfile &stack,
                            const Plan &plan);

/// All of that, and what the scheduler's knobs are; memory is left to memoryBudgetOf.
ServingSettings servingSettingsOf(const DeploymentSpec &deployment, const StackProfile &stack,
                                  const Plan &plan, const std::optional<Routing> &routing = {});

/// By the deployment's rule (runtime/device/memory_budget.h). A rule that leaves nothing is
/// reported through `warning`. Throws Error if it does not fit, naming the sum.
MemoryBudget memoryBudgetOf(const DeploymentSpec &deployment, const Plan &plan,
                            const DeviceSpec &device, std::string &warning);

/// What the command line says of the load; the rest is the deployment's.
struct LoadSettings {
  std::optional<uint64_t> requests, concurrency, maxTokens;
  std::optional<double> rate;              ///< requests per second; excludes concurrency
  std::string inputLengths, outputLengths; ///< distributions or file:PROMPTS
  std::string tokenizer;                   ///< --tokenizer DIR, for prompts in files
  std::string traceFile;
  uint64_t seed = 0;
  /// What the files have (prompt_lengths.h); there are `prompts` requests where nobody says.
  struct Files {
    std::optional<LengthDistribution> inputs, outputs;
    std::optional<uint64_t> prompts; ///< in the file of inputs, else in that of outputs
  } files;
};

/// Files must have been read. Throws a usage Error if neither says how long prompts and outputs
/// are.
ServedLoad loadOf(const DeploymentSpec &deployment, const LoadSettings &options);

} // namespace vinci
