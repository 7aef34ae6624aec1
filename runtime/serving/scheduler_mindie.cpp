#include "runtime/serving/scheduler_mindie.h"

#include "runtime/serving/settings_range.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vinci {

namespace {

using Range = SettingRange<MindieSettings>;
constexpr int64_t most = 4194304;
constexpr Range ranges[] = {
    {"maxSeqLen", &MindieSettings::maxSeqLen, 2, most},
    {"maxInputTokenLen", &MindieSettings::maxInputTokenLen, 1, most},
    {"cacheBlockSize", &MindieSettings::cacheBlockSize, 16, 128},
    {"maxPrefillBatchSize", &MindieSettings::maxPrefillBatchSize, 1, 5000},
    {"maxPrefillTokens", &MindieSettings::maxPrefillTokens, 1, most},
    {"prefillTimeMsPerReq", &MindieSettings::prefillTimeMsPerReq, 0, 1000},
    {"prefillPolicyType", &MindieSettings::prefillPolicyType, 0, 3},
    {"decodeTimeMsPerReq", &MindieSettings::decodeTimeMsPerReq, 0, 1000},
    {"decodePolicyType", &MindieSettings::decodePolicyType, 0, 3},
    {"maxBatchSize", &MindieSettings::maxBatchSize, 1, 5000},
    {"maxIterTimes", &MindieSettings::maxIterTimes, 1, most},
    {"maxPreemptCount", &MindieSettings::maxPreemptCount, 0, 5000},
    {"maxQueueDelayMicroseconds", &MindieSettings::maxQueueDelayMicroseconds, 500, 1000000},
    {"maxFirstTokenWaitTime", &MindieSettings::maxFirstTokenWaitTime, 0, 3600000},
};

/// 0 below 32 tokens, then one more for each doubling.
uint64_t level(uint32_t tokens) {
  return uint64_t(std::bit_width(tokens / 32));
}

size_t bounded(int64_t setting, uint32_t bound) {
  return bound == 0 ? size_t(setting) : std::min(size_t(setting), size_t(bound));
}

} // namespace

bool parseTemplateType(std::string_view text) {
  if (text != "Standard" && text != "Mix")
    fail("templateType is \"{}\"; Standard or Mix is expected", text);
  return text == "Mix";
}

void checkSettings(const MindieSettings &settings, const BatchBounds &bounds) {
  checkRanges<MindieSettings>(settings, ranges);
  if (settings.cacheBlockSize % 16 != 0)
    fail("cacheBlockSize is {}; a multiple of 16 from 16 to 128 is expected",
         settings.cacheBlockSize);
  if (settings.npuMemSize != -1 && !(settings.npuMemSize > 0 && std::isfinite(settings.npuMemSize)))
    fail("npuMemSize is {}; -1, for what is left, or GiB above 0 are expected",
         settings.npuMemSize);
  if (!(settings.cpuMemSize >= 0 && std::isfinite(settings.cpuMemSize)))
    fail("cpuMemSize is {}; GiB from 0 are expected", settings.cpuMemSize);
  if (settings.maxPrefillBatchSize > settings.maxBatchSize)
    fail("maxPrefillBatchSize is {}; an integer from 1 to maxBatchSize, which is {}, is expected",
         settings.maxPrefillBatchSize, settings.maxBatchSize);
  if (settings.maxPrefillTokens < settings.maxSeqLen)
    fail("maxPrefillTokens is {}; an integer from maxSeqLen, which is {}, to {} is expected",
         settings.maxPrefillTokens, settings.maxSeqLen, most);
  if (settings.maxPreemptCount > 0 && settings.cpuMemSize == 0)
    fail("maxPreemptCount is {}, but cpuMemSize is 0; preempted requests need GiB of host memory "
         "above 0",
         settings.maxPreemptCount);
  if (bounds.prefill != 0 && settings.maxPrefillBatchSize > int64_t(bounds.prefill))
    fail("scheduleParam.maxPrefillBatchSize [{}] is out of bound [{}]",
         settings.maxPrefillBatchSize, bounds.prefill);
}

KvPool kvPool(const MindieSettings &settings, KvGeometry geometry,
              const std::optional<DeviceMemory> &device) {
  geometry.blockSize = uint32_t(settings.cacheBlockSize);
  double gib = settings.npuMemSize;
  if (gib == -1) {
    if (!device)
      fail("npuMemSize is -1, but the device's memory is not known; GiB above 0 are expected");
    gib = kvGibLeft(*device);
  }
  KvPool pool;
  pool.deviceBlocks = geometry.blocksIn(gib);
  if (settings.maxPreemptCount > 0)
    pool.hostBlocks = geometry.blocksIn(settings.cpuMemSize);
  return pool;
}

MindieScheduler::MindieScheduler(const MindieSettings &settings, const KvPool &pool,
                                 const BatchBounds &bounds)
    : Scheduler(pool.deviceBlocks, pool.hostBlocks, uint32_t(settings.cacheBlockSize)),
      settings_((checkSettings(settings, bounds), settings)),
      prefillLimit_(bounded(settings.maxPrefillBatchSize, bounds.prefill)),
      decodeLimit_(bounded(settings.maxBatchSize, bounds.decode)) {}

Admission MindieScheduler::limit(const SchedulerRequest &request) const {
  const int64_t most = std::min(settings_.maxInputTokenLen, settings_.maxSeqLen - 1);
  if (request.inputTokens > most && !settings_.truncation)
    fail("the prompt has {} tokens; 1 to {} are expected (maxInputTokenLen {}, maxSeqLen {})",
         request.inputTokens, most, settings_.maxInputTokenLen, settings_.maxSeqLen);
  Admission admission;
  admission.inputTokens = uint32_t(std::min<int64_t>(request.inputTokens, most));
  admission.maxTokens = uint32_t(std::min({settings_.maxIterTimes, int64_t(request.maxTokens),
                                           settings_.maxSeqLen - int64_t(admission.inputTokens)}));
  if (reservesAll())
    if (const uint32_t needed =
            blocksPerRequest(admission.inputTokens, admission.maxTokens, blockSize_);
        needed > device_.total())
      fail("a prompt of {} tokens and an output of up to {} need {} KV blocks of {} tokens; there "
           "are {}",
           admission.inputTokens, admission.maxTokens, needed, blockSize_, device_.total());
  return admission;
}

uint64_t MindieScheduler::queueKey(const Sequence &sequence) const {
  switch (MindiePolicy(settings_.prefillPolicyType)) {
  case MindiePolicy::Priority:
    return sequence.priority;
  case MindiePolicy::MultiLevel:
    return level(sequence.known());
  default:
    return 0;
  }
}

std::pair<uint64_t, uint64_t> MindieScheduler::decodeKey(const Sequence &sequence) const {
  uint64_t key = 0;
  switch (MindiePolicy(settings_.decodePolicyType)) {
  case MindiePolicy::FirstCome:
    break;
  case MindiePolicy::State:
    key = sequence.generated > 1; // the first one comes from prefill
    break;
  case MindiePolicy::Priority:
    key = sequence.priority;
    break;
  case MindiePolicy::MultiLevel:
    key = level(sequence.generated);
    break;
  }
  return {key, sequence.order};
}

void MindieScheduler::plan(int64_t nowNs, ScheduledStep &step) {
  swapBack(step);
  if (settings_.mixed) {
    decode(step);
    uint32_t budget = uint32_t(settings_.maxPrefillTokens);
    budget -= std::min(budget, uint32_t(step.decodes.size()));
    continuePrefills(budget, step);
    if (headMayRun() && !waitsForFullerBatch(nowNs, step))
      admit(budget, step);
    return;
  }
  if (headMayRun() && !waitsForFullerBatch(nowNs, step) && selectsPrefill(nowNs))
    admit(uint32_t(settings_.maxPrefillTokens), step);
  if (step.prefills.empty())
    decode(step);
}

uint32_t MindieScheduler::blocksToAdmit(const Sequence &sequence) const {
  return reservesAll() ? blocksPerRequest(sequence.inputTokens, sequence.maxTokens, blockSize_)
                       : blocksFor(sequence.known());
}

/// Who was swapped out comes back before anybody new is admitted.
bool MindieScheduler::headMayRun() {
  if (waiting_.empty() || !swapped_.empty() || running_.size() >= size_t(settings_.maxBatchSize))
    return false;
  const uint32_t needed = blocksToAdmit(at(waiting_.front()));
  if (needed <= device_.available())
    return true;
  headWaitsForBlocks(needed - device_.available());
  return false;
}

bool MindieScheduler::waitsForFullerBatch(int64_t nowNs, ScheduledStep &step) {
  if (!running_.empty() || waiting_.size() >= prefillLimit_)
    return false;
  int64_t oldest = nowNs, tokens = 0;
  for (uint32_t slot : waiting_) {
    oldest = std::min(oldest, at(slot).submittedNs);
    tokens += at(slot).known();
  }
  const int64_t until = oldest + settings_.maxQueueDelayMicroseconds * 1000;
  if (tokens >= settings_.maxPrefillTokens || nowNs >= until)
    return false;
  step.wakeNs = until;
  return true;
}

/// supportSelectBatch: the time that decoding requests would lose to a prefill against the time
/// that free places have lost to decoding.
bool MindieScheduler::selectsPrefill(int64_t nowNs) {
  if (!settings_.supportSelectBatch || running_.empty())
    return true;
  int64_t oldest = nowNs;
  for (uint32_t slot : waiting_)
    oldest = std::min(oldest, at(slot).submittedNs);
  const auto decoding = int64_t(running_.size());
  wastedMs_ += settings_.decodeTimeMsPerReq * (settings_.maxBatchSize - decoding);
  if (settings_.prefillTimeMsPerReq * decoding > wastedMs_ &&
      nowNs - oldest < settings_.maxFirstTokenWaitTime * 1000000)
    return false;
  wastedMs_ = 0;
  return true;
}

/// Starts prompts until the batch, the budget of tokens, the places or the blocks are used up. Only
/// Mix cuts a prompt at the end of the budget.
void MindieScheduler::admit(uint32_t budget, ScheduledStep &step) {
  while (budget > 0 && step.prefills.size() < prefillLimit_ && headMayRun()) {
    Sequence &head = at(waiting_.front());
    const uint32_t tokens = head.known();
    if (tokens > budget && !settings_.mixed)
      break;
    device_.allocate(blocksToAdmit(head), head.blocks);
    const uint32_t slot = admitHead(0);
    addPrefill(slot, std::min(tokens, budget), step);
    budget -= std::min(tokens, budget);
  }
}

void MindieScheduler::continuePrefills(uint32_t &budget, ScheduledStep &step) {
  for (uint32_t slot : running_) {
    if (budget == 0 || step.prefills.size() >= prefillLimit_)
      return;
    if (!at(slot).prefills())
      continue;
    const uint32_t tokens = std::min(at(slot).uncached(), budget);
    addPrefill(slot, tokens, step);
    budget -= tokens;
  }
}

void MindieScheduler::decode(ScheduledStep &step) {
  order_.assign(running_.begin(), running_.end());
  if (!reservesAll() || order_.size() > decodeLimit_)
    std::ranges::sort(order_, {}, [this](uint32_t slot) { return decodeKey(at(slot)); });
  for (size_t i = 0, end = order_.size(); i < end && step.decodes.size() < decodeLimit_; ++i) {
    Sequence &sequence = at(order_[i]);
    if (!sequence.decodes())
      continue;
    if (!grow(sequence, sequence.known()) && !makeRoom(i, end, step)) {
      stall(sequence);
      continue;
    }
    addDecode(order_[i], step);
  }
}

/// Preempts from the end of order_ until the sequence at `index` has its block; `end` is lowered to
/// those that still run. The most urgent one always gets it, if need be at the price of computing
/// others again, so that somebody makes progress.
bool MindieScheduler::makeRoom(size_t index, size_t &end, ScheduledStep &step) {
  Sequence &sequence = at(order_[index]);
  while (end > index + 1) {
    const uint32_t victim = order_[end - 1];
    const bool swapped =
        swapped_.size() < size_t(settings_.maxPreemptCount) && swapOut(victim, step);
    if (!swapped) {
      if (index > 0)
        return false;
      recompute(victim);
    }
    --end;
    if (grow(sequence, sequence.known()))
      return true;
  }
  return false;
}

/// Only if there is room to go on for a while; else they would be swapped out again at once.
void MindieScheduler::swapBack(ScheduledStep &step) {
  while (!swapped_.empty() && running_.size() < size_t(settings_.maxBatchSize)) {
    const size_t needed = at(swapped_.front()).hostBlocks.size() + running_.size() + 1;
    if (!running_.empty() && needed > device_.available())
      return;
    swapIn(swapped_.front(), step);
  }
}

} // namespace vinci
