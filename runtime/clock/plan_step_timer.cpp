#include "runtime/clock/plan_step_timer.h"

#include <algorithm>
#include <cmath>

namespace vinci {

double LaunchPolicy::dispatchedUs(uint64_t launches, double us) const {
  const uint64_t groups = (launches + dispatchGroup - 1) / dispatchGroup;
  if (dispatchThreads < 2 || groups < 2)
    return us;
  // The thread that launches most; the last group may be short.
  const uint64_t most = (groups + dispatchThreads - 1) / dispatchThreads;
  return us * std::min(1.0, double(most * dispatchGroup) / double(launches)) +
         double(most) * handoverUs;
}

double LaunchPolicy::hostUs(const StepTimes &times, double us, LaunchMode mode,
                            bool onlyDecodes) const {
  if (mode == LaunchMode::Graph)
    return us + attentionUs * double(times.attentions);
  if (!onlyDecodes && prefillLaunchUs)
    us = *prefillLaunchUs * double(times.launches);
  return dispatchedUs(times.launches, us);
}

uint64_t LaunchPolicy::paddedTokens(uint64_t tokens) const {
  const auto size = std::ranges::lower_bound(graphSizes, tokens);
  return size == graphSizes.end() ? tokens : *size;
}

StepRecord PlanStepTimer::recordOf(const StepShape &shape) const {
  StepRecord record;
  for (const StepShape::Part &part : shape.prefills)
    record.addSequence(part.tokens, part.first);
  for (uint32_t context : shape.decodeContexts)
    record.addSequence(1, context - 1);
  record.tokens = std::max<uint64_t>(record.tokens, shape.leastTokens);
  record.sequences = std::max<uint64_t>(record.sequences, shape.leastSequences);
  record.logitRows = std::max<uint64_t>(record.logitRows, shape.leastSequences);
  const bool decodes = shape.mode == StepMode::Decode;
  record.mode = policy_.modeOf(decodes, record.tokens);
  if (record.mode != LaunchMode::Graph)
    return record;
  // As the engine pads: decodes by sequences of a token each, other steps by one of all; nobody
  // wants the logits of the latter.
  const uint64_t missing = policy_.paddedTokens(record.tokens) - record.tokens;
  for (uint64_t i = 0; decodes && i < missing; ++i)
    record.addSequence(1, 0);
  if (const uint64_t rows = record.logitRows; !decodes && missing > 0) {
    record.addSequence(missing, 0);
    record.logitRows = rows;
  }
  return record;
}

StepTime PlanStepTimer::time(const StepShape &shape) {
  const StepRecord record = recordOf(shape);
  const StepTimes times = clock_.time(entryOf(shape), record);
  const bool isMean = estimate_ == Estimate::Mean, isLow = estimate_ == Estimate::Low;
  const double deviceUs = isMean ? times.deviceUs : isLow ? times.deviceP10 : times.deviceP90;
  const double launchUs = isMean ? times.hostUs : isLow ? times.hostP10 : times.hostP90;
  const double hostUs =
      policy_.hostUs(times, launchUs, record.mode, shape.mode == StepMode::Decode);
  const uint64_t moved = (uint64_t(shape.swappedOutBlocks) + shape.swappedInBlocks) *
                         clock_.plan().root()->kv_cache()->bytes_per_block() *
                         clock_.plan().root()->kv_cache()->layers();
  const double copyUs = moved == 0 ? 0 : clock_.model().copy(double(moved)).us;
  return {std::llround((deviceUs + copyUs + policy_.idleUs) * 1e3), std::llround(hostUs * 1e3)};
}

} // namespace vinci
