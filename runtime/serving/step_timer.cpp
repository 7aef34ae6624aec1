#include "runtime/serving/step_timer.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <unordered_map>

namespace vinci {

const char *toString(StepMode mode) {
  return mode == StepMode::Prefill ? "prefill" : mode == StepMode::Decode ? "decode" : "mixed";
}

StepMode modeOf(std::span<const ScheduledStep> groups) {
  const auto any = [&](auto ScheduledStep::*part) {
    return std::ranges::any_of(groups, [&](const auto &step) { return !(step.*part).empty(); });
  };
  return !any(&ScheduledStep::prefills)  ? StepMode::Decode
         : !any(&ScheduledStep::decodes) ? StepMode::Prefill
                                         : StepMode::Mixed;
}

static uint64_t attendedTokens(const ScheduledStep &step) {
  uint64_t sum = 0;
  for (const DecodeToken &token : step.decodes)
    sum += token.context;
  for (const PrefillChunk &chunk : step.prefills)
    sum += uint64_t(chunk.tokens) * chunk.first + uint64_t(chunk.tokens) * (chunk.tokens + 1) / 2;
  return sum;
}

size_t busiestGroup(std::span<const ScheduledStep> groups) {
  if (groups.size() == 1)
    return 0;
  return size_t(std::ranges::max_element(groups, {}, attendedTokens) - groups.begin());
}

StepRows mostRows(std::span<const ScheduledStep> groups) {
  StepRows most;
  for (const ScheduledStep &step : groups) {
    uint64_t tokens = step.decodes.size();
    for (const PrefillChunk &chunk : step.prefills)
      tokens += chunk.tokens;
    most.tokens = std::max(most.tokens, uint32_t(tokens));
    most.sequences = std::max(most.sequences, uint32_t(step.decodes.size() + step.prefills.size()));
  }
  return most;
}

namespace {

struct HashKey {
  using is_transparent = void;
  size_t operator()(std::span<const uint32_t> key) const {
    uint64_t hash = key.size();
    for (uint32_t value : key) {
      hash = (hash ^ value) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 32;
    }
    return size_t(hash);
  }
};

struct EqualKeys {
  using is_transparent = void;
  bool operator()(std::span<const uint32_t> a, std::span<const uint32_t> b) const {
    return std::ranges::equal(a, b);
  }
};

} // namespace

struct StepTimeCache::Table {
  std::unordered_map<std::vector<uint32_t>, StepTime, HashKey, EqualKeys> times;
};

StepTimeCache::StepTimeCache(StepTimer &timer, uint32_t contextBucket)
    : timer_(timer), contextBucket_(contextBucket), table_(std::make_unique<Table>()) {
  if (contextBucket == 0)
    fail("contexts are rounded to multiples of 0 tokens; at least 1 is expected");
}

StepTimeCache::~StepTimeCache() = default;

size_t StepTimeCache::size() const {
  return table_->times.size();
}

StepTime StepTimeCache::time(std::span<const ScheduledStep> groups) {
  const ScheduledStep &step = groups[busiestGroup(groups)];
  const StepRows most = groups.size() == 1 ? StepRows() : mostRows(groups);
  const StepMode mode = modeOf(groups);
  const auto decodes = uint32_t(step.decodes.size());
  uint32_t context = 0;
  if (decodes > 0) {
    uint64_t sum = 0;
    for (const DecodeToken &token : step.decodes)
      sum += token.context;
    const uint64_t bucket = uint64_t(contextBucket_) * decodes;
    context = uint32_t((sum + bucket - 1) / bucket) * contextBucket_;
  }
  uint32_t swappedOut = 0, swappedIn = 0; // every group moves its own
  for (const ScheduledStep &group : groups) {
    swappedOut = std::max(swappedOut, group.swappedOutBlocks);
    swappedIn = std::max(swappedIn, group.swappedInBlocks);
  }
  key_.assign({uint32_t(mode), decodes, context, swappedOut, swappedIn, most.tokens, most.sequences});
  for (const PrefillChunk &chunk : step.prefills)
    key_.insert(key_.end(), {chunk.first, chunk.tokens});
  const auto found = table_->times.find(std::span<const uint32_t>(key_));
  if (found != table_->times.end())
    return found->second;

  contexts_.assign(decodes, context);
  parts_.clear();
  for (const PrefillChunk &chunk : step.prefills)
    parts_.push_back({chunk.first, chunk.tokens});
  const StepTime time = timer_.time(
      {mode, parts_, contexts_, swappedOut, swappedIn, most.tokens, most.sequences});
  if (time.deviceNs < 0 || time.hostNs < 0 || time.ns() == 0)
    failInternal("a step takes {} ns on the device and {} ns on the host", time.deviceNs,
                 time.hostNs);
  table_->times.emplace(key_, time);
  return time;
}

} // namespace vinci
