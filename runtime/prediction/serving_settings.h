// How a plan is served, as far as its time depends on it: what a deployment comes to for a clock, a
// scheduler and a simulation. Plain data; what a search or an ablation turns are its fields.
#pragma once

#include "runtime/clock/plan_step_timer.h"
#include "runtime/device/memory_budget.h"
#include "runtime/serving/scheduler_mindie.h"
#include "runtime/serving/scheduler_vllm.h"
#include "runtime/serving/simulation.h"
#include "runtime/serving/stack_profile.h"

#include <memory>
#include <optional>
#include <string>

namespace vinci {

struct ServingSettings {
  bool isMindie = false; ///< whose policy; vLLM's else
  MindieSettings mindie;
  uint32_t hostBlocks = 0; ///< KV blocks that MindIE may swap to
  /// Blocks and asynchronous scheduling are filled in from the fields below.
  VllmSettings vllm;

  std::string graphMode = "none"; ///< names of runtime/device/graph_capture.h
  /// Tokens that graphs are captured for, ascending; empty: vLLM's for the batch.
  std::vector<uint32_t> graphSizes;
  ClockOptions clock;             ///< collectives, prefetch, weights' format, routing, devices
  bool asyncScheduling = false;   ///< asked for; a stack that cannot does not
  std::optional<bool> cpuBinding; ///< of the hosts' threads; nothing: not said
  uint32_t dispatchThreads = 1, dispatchGroup = 1;
  MemoryBudget memory;
};

/// A step is planned while another one runs: asked for, and the stack can.
bool plansAhead(const ServingSettings &settings, const StackProfile &stack);

/// How kernels are launched: by graph mode, batch sizes and threads, and the stack.
LaunchPolicy launchPolicyOf(const ServingSettings &settings, const StackProfile &stack,
                            Estimate estimate = Estimate::Mean);

/// The stack's gap and tokenizer, and how late hosts are: by what is said of binding their threads;
/// not at all where nothing is.
SimulationOptions simulationOptionsOf(const ServingSettings &settings, const StackProfile &stack,
                                      uint32_t ranks, uint64_t seed,
                                      Estimate estimate = Estimate::Mean);

/// How the scheduler fills steps.
struct StepFilling {
  bool mixes = true;       ///< prompts and decodes in one step
  bool splits = true;      ///< a prompt over several steps
  bool plansAhead = false; ///< plans a step while another one runs
};
StepFilling stepFillingOf(const ServingSettings &settings, const StackProfile &stack);

/// The policy with its knobs, for one data-parallel group. Throws Error naming the knob that is out
/// of range.
std::unique_ptr<Scheduler> schedulerOf(const ServingSettings &settings, const StackProfile &stack);

} // namespace vinci
