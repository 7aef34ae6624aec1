#include "runtime/serving/scheduler_vllm.h"

#include "runtime/serving/settings_range.h"

#include <algorithm>

namespace vinci {

namespace {

using Range = SettingRange<VllmSettings>;
constexpr Range ranges[] = {
    {"max-num-seqs", &VllmSettings::maxNumSeqs, 1, 65536},
    {"max-num-batched-tokens", &VllmSettings::maxNumBatchedTokens, 1, 4194304},
    {"max-model-len", &VllmSettings::maxModelLen, 2, 4194304},
    {"block-size", &VllmSettings::blockSize, 1, 1024},
    {"num-gpu-blocks", &VllmSettings::numBlocks, 1, 0x7fffffff},
};

} // namespace

void checkSettings(const VllmSettings &settings) {
  checkRanges<VllmSettings>(settings, ranges);
  if (settings.maxNumBatchedTokens < settings.maxNumSeqs)
    fail("max-num-batched-tokens is {}; an integer from max-num-seqs, which is {}, to {} is "
         "expected",
         settings.maxNumBatchedTokens, settings.maxNumSeqs, ranges[1].maximum);
  if (!settings.chunkedPrefill && settings.maxNumBatchedTokens < settings.maxModelLen)
    fail("max-num-batched-tokens is {}; without chunked prefill an integer from max-model-len, "
         "which is {}, to {} is expected",
         settings.maxNumBatchedTokens, settings.maxModelLen, ranges[1].maximum);
}

VllmScheduler::VllmScheduler(const VllmSettings &settings)
    : Scheduler((checkSettings(settings), uint32_t(settings.numBlocks)), 0,
                uint32_t(settings.blockSize)),
      settings_(settings) {
  stepsAhead_ = settings.asyncScheduling ? 2 : 1;
  namesBlocks_ = settings.prefixCaching;
}

Admission VllmScheduler::limit(const SchedulerRequest &request) const {
  if (request.inputTokens >= settings_.maxModelLen)
    fail("the prompt has {} tokens; 1 to {} are expected (max-model-len {})", request.inputTokens,
         settings_.maxModelLen - 1, settings_.maxModelLen);
  Admission admission;
  admission.inputTokens = request.inputTokens;
  admission.maxTokens = uint32_t(
      std::min<int64_t>(request.maxTokens, settings_.maxModelLen - int64_t(request.inputTokens)));
  return admission;
}

void VllmScheduler::plan(int64_t, ScheduledStep &step) {
  uint32_t budget = uint32_t(settings_.maxNumBatchedTokens);
  if (settings_.ascendScheduler && !settings_.chunkedPrefill) {
    admit(budget, step);
    if (step.empty())
      continueRunning(budget, step);
  } else if (continueRunning(budget, step)) {
    admit(budget, step);
  }
}

/// A token of everyone who decodes, the next chunk of everyone who does not. False if somebody was
/// preempted: then nobody is admitted in this step.
bool VllmScheduler::continueRunning(uint32_t &budget, ScheduledStep &step) {
  bool undisturbed = true;
  // Preemption takes from the end, where nobody has been given anything in this step.
  for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
    const uint32_t slot = running_[i];
    if (!at(slot).wantsMore())
      continue;
    const uint32_t tokens = std::min(at(slot).uncached(), budget);
    const size_t before = running_.size();
    const bool fits = growByPreempting(slot, at(slot).cached + tokens);
    undisturbed &= running_.size() == before;
    if (!fits)
      break;
    if (at(slot).decodes())
      addDecode(slot, step);
    else
      addPrefill(slot, tokens, step);
    budget -= tokens;
  }
  return undisturbed;
}

/// False if the request itself was the last one to be preempted.
bool VllmScheduler::growByPreempting(uint32_t slot, uint32_t tokens) {
  while (!grow(at(slot), tokens)) {
    const uint32_t victim = running_.back();
    recompute(victim);
    if (victim == slot)
      return false;
  }
  return true;
}

void VllmScheduler::admit(uint32_t &budget, ScheduledStep &step) {
  while (!waiting_.empty() && budget > 0 && running_.size() < size_t(settings_.maxNumSeqs)) {
    Sequence &head = at(waiting_.front());
    const uint32_t kept = findPrefix(head);
    const uint32_t found = uint32_t(prefix_.size()) * blockSize_;
    uint32_t tokens = head.known() - found;
    if (tokens > budget && !settings_.chunkedPrefill)
      return;
    tokens = std::min(tokens, budget);
    const uint32_t needed = blocksFor(found + tokens) - uint32_t(prefix_.size()) + kept;
    if (needed > device_.available())
      return headWaitsForBlocks(needed - device_.available());
    if (settings_.prefixCaching && !head.hashes.empty()) {
      counters_.prefixTokensAsked += head.known();
      counters_.prefixTokensFound += found;
    }
    for (int32_t block : prefix_)
      device_.share(block);
    head.blocks.assign(prefix_.begin(), prefix_.end());
    const uint32_t slot = admitHead(found);
    grow(at(slot), found + tokens);
    addPrefill(slot, tokens, step);
    budget -= tokens;
  }
}

/// Into prefix_: the blocks that hold the beginning of a prompt, at least one token short of all,
/// which must be computed to get the next. Returns how many of them are kept, not in use.
uint32_t VllmScheduler::findPrefix(const Sequence &sequence) {
  prefix_.clear();
  uint32_t kept = 0;
  if (!settings_.prefixCaching)
    return kept;
  const size_t most = std::min(sequence.hashes.size(), size_t((sequence.known() - 1) / blockSize_));
  for (size_t i = 0; i < most; ++i) {
    const std::optional<int32_t> block = device_.find(sequence.hashes[i]);
    if (!block)
      break;
    prefix_.push_back(*block);
    kept += device_.isKept(*block);
  }
  return kept;
}

} // namespace vinci
