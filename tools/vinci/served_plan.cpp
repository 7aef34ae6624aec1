#include "tools/vinci/served_plan.h"

#include "runtime/device/platform_ini.h"
#include "runtime/serving/scheduler_vllm.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/model_source.h"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>

namespace vinci {

double round6(double value) {
  return std::round(value * 1e6) / 1e6;
}

/// Limits that nobody gave are those of a server, not the small ones that a run on this machine
/// has. True if there are any.
static bool limitAsServed(CompileOptions &options, const DeploymentSpec &deployment) {
  const DeploymentSpec::Scheduler &scheduler = deployment.scheduler;
  if (const std::string policy = scheduler.policy.valueOr("vllm"); !policy.starts_with("vllm"))
    return false;
  const VllmSettings defaults;
  const bool batch = !options.maxBatch && !scheduler.maxNumSeqs;
  const bool tokens = !options.maxTokensPerStep && !scheduler.maxNumBatchedTokens;
  if (batch)
    options.maxBatch =
        std::min(defaults.maxNumSeqs,
                 options.maxTokensPerStep.value_or(
                     scheduler.maxNumBatchedTokens.valueOr(defaults.maxNumBatchedTokens)));
  if (tokens)
    options.maxTokensPerStep =
        std::max(defaults.maxNumBatchedTokens,
                 options.maxBatch.value_or(scheduler.maxNumSeqs.valueOr(defaults.maxNumSeqs)));
  return batch || tokens;
}

Subject subjectOf(const std::string &model, const CompileFlags &flags, bool quiet) {
  const Source source = findSource(model);
  const SourcePosition place{source.path.string()};
  if (source.kind == SourceKind::Ir)
    fail(place, "IR says nothing of how it is served; a model, a deployment or a plan is expected");
  if (source.kind == SourceKind::Plan) {
    if (flags.any())
      fail(place, "this plan is compiled already; compile options and --set go with a model or a "
                  "deployment");
    return {{}, Plan::open(source.path)};
  }
  const ImportRequest request = toImportRequest(source.path, flags);
  CompileOptions options = toCompileOptions(flags);
  options.kernels = false;
  CompileResult result = compiler().compile(request, options);
  if (limitAsServed(options, result.deployment))
    result = compiler().compile(request, options);
  if (!quiet)
    for (const std::string &warning : result.warnings)
      fmt::print(stderr, "{}\n", warning);
  return {std::move(result.deployment), Plan::parse(std::move(result.plan), place.file)};
}

DeviceSpec deviceFor(const DeploymentSpec &deployment, const std::string &name) {
  const std::string target = deployment.target.valueOr("host");
  const bool isNpu = target != "host", isIni = name.ends_with(".ini");
  if (!name.empty() && !isIni)
    return deviceSpec(name);
  if (!isNpu)
    throw Error(
        ErrorKind::Usage, {},
        fmt::format("the model names no NPU to simulate; --target is 310p3, 910b3 or a3, or "
                    "--device a specification: {} or a .yaml file",
                    fmt::join(deviceSpecNames(), ", ")));
  const DeviceSpec device = deviceSpec(target);
  return isIni ? readPlatformIni(name, device) : device;
}

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

ServedPlan::ServedPlan(const DeploymentSpec &deployment, const Plan &plan, StackProfile stack,
                       const CostModel &costs, const std::optional<Routing> &routing)
    : deployment_(deployment), plan_(plan), stack_(std::move(stack)),
      ranks_(Mesh(*plan.root()).ranks()),
      clock_(plan, costs, clockOptionsOf(deployment, ranks_, routing)),
      timer_(clock_, launchPolicyOf(deployment, stack_)),
      memory_(memoryBudgetOf(deployment, plan, costs.spec(), warning_)) {}

Served ServedPlan::serve(const LoadSettings &load,
                         const std::function<void(const SimulatedStep &)> &onStep,
                         Estimate estimate) const {
  std::vector<std::unique_ptr<Scheduler>> schedulers;
  std::vector<Scheduler *> groups;
  for (uint32_t i = 0; i < this->groups(); ++i)
    groups.push_back(
        schedulers.emplace_back(schedulerOf(deployment_, stack_, plan_, memory_)).get());
  Load requests = loadOf(deployment_, load);
  SimulationOptions options = simulationOptionsOf(deployment_, stack_, ranks_, load.seed, estimate);
  DecodeSteps decodes;
  options.onStep = [&](const SimulatedStep &step) {
    decodes.add(step.groups);
    if (onStep)
      onStep(step);
  };
  PlanStepTimer timer(clock_, launchPolicyOf(deployment_, stack_, estimate), estimate);
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

Report opRows(const PlanClock &clock, const StepRecord &step) {
  struct Row {
    uint64_t calls = 0;
    double us = 0, p10 = 0, p90 = 0, longest = 0;
    OpTime decides; ///< of the kernel that takes the most
  };
  std::map<std::string, Row> rows;
  double total = 0;
  for (const CommandTime &command : clock.commands(EntryKind::Decode, step)) {
    Row &row = rows[command.kernel->op()->str()];
    const double us = command.time.us * double(command.calls);
    row.calls += command.calls;
    row.us += us;
    row.p10 += command.time.p10 * double(command.calls);
    row.p90 += command.time.p90 * double(command.calls);
    if (us > row.longest) {
      row.longest = us;
      row.decides = command.time;
    }
    total += us;
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::ranges::stable_sort(sorted, std::ranges::greater(),
                           [](const auto &entry) { return entry.second.us; });
  Report report = Report::array();
  for (const auto &[op, row] : sorted)
    report.push_back({{"op", op},
                      {"calls", row.calls},
                      {"us", round6(row.us)},
                      {"share", round6(row.us / total)},
                      {"p10_us", round6(row.p10)},
                      {"p90_us", round6(row.p90)},
                      {"bound", toString(row.decides.bound)},
                      {"efficiency", round6(row.decides.efficiency)},
                      {"decided_by", row.decides.constant},
                      {"provenance", toString(row.decides.tag)}});
  return report;
}

Report stepReport(const ServedPlan &served, const TypicalStep &typical) {
  const StepTimes times = served.clock().time(EntryKind::Decode, served.recordOf(typical));
  return {{"groups", served.groups()},
          {"sequences", typical.batch},
          {"context", typical.context},
          {"launches", times.launches},
          {"device_ms", round6(times.deviceUs / 1e3)},
          {"device_p10_ms", round6(times.deviceP10 / 1e3)},
          {"device_p90_ms", round6(times.deviceP90 / 1e3)},
          {"host_ms", round6(times.hostUs / 1e3)},
          {"prefetched_bytes", uint64_t(times.prefetchedBytes)}};
}

Report memoryReport(const MemoryBudget &memory) {
  return {{"capacity_bytes", memory.capacity},
          {"weight_bytes", memory.weights},
          {"activation_bytes", memory.activations},
          {"kv_cache_bytes", memory.kvCache},
          {"kv_blocks", memory.kvBlocks},
          {"kv_tokens", memory.kvTokens},
          {"kv_rule", memory.rule}};
}

Report rangeReport(const ServedPlan &served, const LoadSettings &load) {
  const auto at = [&](Estimate estimate) { return served.serve(load, {}, estimate).metrics; };
  const ServingMetrics low = at(Estimate::Low), high = at(Estimate::High);
  const auto range = [](double p10, double p90) {
    return Report{{"p10", round6(p10)}, {"p90", round6(p90)}};
  };
  return {{"ttft_ms", range(low.ttftMs.mean, high.ttftMs.mean)},
          {"tpot_ms", range(low.tpotMs.mean, high.tpotMs.mean)},
          {"step_ms", range(low.stepMs, high.stepMs)},
          {"output_tokens_per_s", range(high.outputTokensPerS, low.outputTokensPerS)}};
}

} // namespace vinci
