#include "runtime/prediction/serving_settings.h"

#include "runtime/device/graph_capture.h"

#include <cmath>

namespace vinci {
namespace {

double valueAt(const StackValue &value, Estimate estimate) {
  return estimate == Estimate::Mean  ? value.value
         : estimate == Estimate::Low ? value.low
                                     : value.high;
}

/// What remains of the gap between two steps if the stack plans ahead. Its range is that of the gap
/// less what hides at that end.
double unhiddenGapUs(const StackProfile &stack, Estimate estimate) {
  return std::max(0.0,
                  valueAt(stack.servingGapUs, estimate) - valueAt(stack.asyncHidesUs, estimate));
}

std::vector<uint32_t> vllmSizes(const ServingSettings &settings, GraphMode mode) {
  const auto batch = uint32_t(settings.isMindie ? settings.mindie.maxBatchSize
                                                : settings.vllm.maxNumSeqs);
  const auto tokens = uint32_t(settings.isMindie ? settings.mindie.maxPrefillTokens
                                                 : settings.vllm.maxNumBatchedTokens);
  return defaultGraphSizes(mode, batch, std::max(batch, tokens));
}

} // namespace

bool plansAhead(const ServingSettings &settings, const StackProfile &stack) {
  return stack.async.value != 0 && settings.asyncScheduling;
}

LaunchPolicy launchPolicyOf(const ServingSettings &settings, const StackProfile &stack,
                            Estimate estimate) {
  LaunchPolicy policy;
  const std::string &mode = settings.graphMode;
  // MindSpore's graph mode launches the kernels of a compiled graph one by one.
  const bool byKernel = mode == "full" && stack.capturesDecode.value == 0;
  policy.decode = mode == "none" ? LaunchMode::Eager : LaunchMode::Graph;
  policy.prefill = byKernel         ? LaunchMode::KernelByKernel
                   : mode == "full" ? LaunchMode::Graph
                                    : LaunchMode::Eager;
  if (stack.prefillHostBound.value != 0 && stack.launchUsPerOp.value > 0)
    policy.prefillLaunchUs = valueAt(stack.launchUsPerOp, estimate);
  if (!byKernel)
    policy.attentionUs = valueAt(stack.attentionUs, estimate);
  if (plansAhead(settings, stack))
    policy.idleUs = unhiddenGapUs(stack, estimate);
  policy.dispatchThreads = settings.dispatchThreads;
  policy.dispatchGroup = settings.dispatchGroup;
  policy.handoverUs = stack.groupHandoverUs.value;
  // A stack that launches the kernels of its graphs one by one pads nothing.
  if (const auto captured = parseGraphMode(mode);
      captured && *captured != GraphMode::None && !byKernel)
    policy.graphSizes = settings.graphSizes.empty() ? vllmSizes(settings, *captured)
                                                    : settings.graphSizes;
  return policy;
}

SimulationOptions simulationOptionsOf(const ServingSettings &settings, const StackProfile &stack,
                                      uint32_t ranks, uint64_t seed, Estimate estimate) {
  SimulationOptions options = simulationOptions(stack);
  options.servingGapNs = std::llround(valueAt(stack.servingGapUs, estimate) * 1e3);
  if (settings.cpuBinding)
    options.jitter.meanNs = std::llround(
        (*settings.cpuBinding ? stack.jitterBoundUs : stack.jitterUnboundUs).value * 1e3);
  options.jitter.ranks = ranks;
  options.jitter.seed = seed;
  return options;
}

StepFilling stepFillingOf(const ServingSettings &settings, const StackProfile &stack) {
  return {.mixes = settings.isMindie ? settings.mindie.mixed : settings.vllm.chunkedPrefill,
          .splits = !settings.isMindie,
          .plansAhead = !settings.isMindie && plansAhead(settings, stack)};
}

std::unique_ptr<Scheduler> schedulerOf(const ServingSettings &settings, const StackProfile &stack) {
  if (settings.isMindie)
    return std::make_unique<MindieScheduler>(
        settings.mindie,
        KvPool{.deviceBlocks = settings.memory.kvBlocks, .hostBlocks = settings.hostBlocks},
        stack.batchBounds());
  VllmSettings vllm = settings.vllm;
  vllm.numBlocks = settings.memory.kvBlocks;
  vllm.asyncScheduling = plansAhead(settings, stack);
  return std::make_unique<VllmScheduler>(vllm);
}

} // namespace vinci
