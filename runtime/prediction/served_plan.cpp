#include "runtime/prediction/served_plan.h"

#include <algorithm>

namespace vinci {

void DecodeSteps::add(std::span<const ScheduledStep> groups) {
  const ScheduledStep &step = groups[busiestGroup(groups)];
  if (modeOf(groups) != StepMode::Decode)
    return;
  uint64_t tokens = 0;
  for (const DecodeToken &token : step.decodes)
    tokens += token.context;
  Steps &steps = byBatch_[uint32_t(step.decodes.size())];
  ++steps.count;
  steps.meanContexts += tokens / step.decodes.size();
}

std::optional<TypicalStep> DecodeSteps::typical() const {
  if (byBatch_.empty())
    return std::nullopt;
  const auto &[batch, steps] =
      *std::ranges::max_element(byBatch_, {}, [](const auto &entry) { return entry.second.count; });
  return TypicalStep{batch, uint32_t(steps.meanContexts / steps.count)};
}

ServedPlan::ServedPlan(ServingSettings settings, const Plan &plan, StackProfile stack,
                       const CostModel &costs)
    : settings_(std::move(settings)), plan_(plan), stack_(std::move(stack)),
      ranks_(Mesh(*plan.root()).ranks()), clock_(plan, costs, settings_.clock),
      timer_(clock_, launchPolicyOf(settings_, stack_)) {}

Served ServedPlan::serve(const ServedLoad &load,
                         const std::function<void(const SimulatedStep &)> &onStep,
                         Estimate estimate) const {
  std::vector<std::unique_ptr<Scheduler>> schedulers;
  std::vector<Scheduler *> groups;
  for (uint32_t i = 0; i < this->groups(); ++i)
    groups.push_back(schedulers.emplace_back(schedulerOf(settings_, stack_)).get());
  SimulationOptions options = simulationOptionsOf(settings_, stack_, ranks_, load.seed, estimate);
  DecodeSteps decodes;
  options.onStep = [&](const SimulatedStep &step) {
    decodes.add(step.groups);
    if (onStep)
      onStep(step);
  };
  PlanStepTimer timer(clock_, launchPolicyOf(settings_, stack_, estimate), estimate);
  Load requests = load.load;
  Served served;
  served.concurrency = requests.concurrency();
  served.result = simulate(groups, requests, timer, options);
  served.metrics = measure(served.result);
  served.typical = decodes.typical();
  return served;
}

StepRecord ServedPlan::recordOf(const TypicalStep &typical) const {
  const std::vector<uint32_t> contexts(typical.batch, typical.context);
  return timer_.recordOf({.mode = StepMode::Decode, .prefills = {}, .decodeContexts = contexts});
}

} // namespace vinci
