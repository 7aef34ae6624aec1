#include "runtime/serving/scheduler.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

void ScheduledStep::clear() {
  prefills.clear();
  decodes.clear();
  swappedOutBlocks = swappedInBlocks = 0;
  wakeNs = 0;
}

std::string_view toString(SchedulerEventKind kind) {
  constexpr std::string_view names[] = {"submitted",        "refused", "truncated",  "admitted",
                                        "waits_for_blocks", "stalled", "recomputed", "swapped_out",
                                        "swapped_in",       "finished"};
  return names[size_t(kind)];
}

SchedulerCounters &SchedulerCounters::operator+=(const SchedulerCounters &other) {
  submitted += other.submitted;
  refused += other.refused;
  truncated += other.truncated;
  finished += other.finished;
  waitedForBlocks += other.waitedForBlocks;
  stalls += other.stalls;
  recomputed += other.recomputed;
  recomputedTokens += other.recomputedTokens;
  swappedOut += other.swappedOut;
  swappedIn += other.swappedIn;
  prefixTokensAsked += other.prefixTokensAsked;
  prefixTokensFound += other.prefixTokensFound;
  wastedTokens += other.wastedTokens;
  mostRunning += other.mostRunning;
  return *this;
}

Scheduler::Scheduler(uint32_t deviceBlocks, uint32_t hostBlocks, uint32_t blockSize)
    : device_(deviceBlocks), host_(hostBlocks), blockSize_(blockSize) {}

void Scheduler::event(SchedulerEventKind kind, uint64_t id, uint64_t value) {
  if (sink_)
    sink_({nowNs_, kind, id, value});
}

Admission Scheduler::submit(const SchedulerRequest &request, int64_t nowNs) {
  nowNs_ = nowNs;
  ++counters_.submitted;
  event(SchedulerEventKind::Submitted, request.id, request.inputTokens);
  Admission admission;
  try {
    if (request.inputTokens == 0)
      fail("the prompt has no tokens; at least one is expected");
    if (request.maxTokens == 0)
      fail("the request is for at most 0 tokens; at least one is expected");
    admission = limit(request);
    if (uint32_t needed = blocksFor(admission.inputTokens + admission.maxTokens - 1);
        needed > device_.total())
      fail("prompt and output of up to {} tokens need {} KV blocks of {} tokens; there are {}",
           admission.inputTokens + admission.maxTokens, needed, blockSize_, device_.total());
  } catch (const Error &) {
    ++counters_.refused;
    event(SchedulerEventKind::Refused, request.id, 0);
    throw;
  }
  if (admission.inputTokens < request.inputTokens) {
    ++counters_.truncated;
    event(SchedulerEventKind::Truncated, request.id, request.inputTokens - admission.inputTokens);
  }
  if (freeSlots_.empty()) {
    freeSlots_.push_back(uint32_t(sequences_.size()));
    sequences_.emplace_back();
  }
  admission.slot = freeSlots_.back();
  freeSlots_.pop_back();
  Sequence &sequence = at(admission.slot);
  sequence.id = request.id;
  sequence.order = order_++;
  sequence.submittedNs = nowNs;
  sequence.inputTokens = admission.inputTokens;
  sequence.maxTokens = admission.maxTokens;
  sequence.priority = request.priority;
  sequence.hashes = request.blockHashes;
  if (size_t full = admission.inputTokens / blockSize_; sequence.hashes.size() > full)
    sequence.hashes.resize(full);
  enqueue(admission.slot, false);
  return admission;
}

void Scheduler::enqueue(uint32_t slot, bool first) {
  const uint64_t key = queueKey(at(slot));
  auto position = waiting_.end();
  if (first) {
    position = waiting_.begin();
    while (position != waiting_.end() && queueKey(at(*position)) < key)
      ++position;
  } else {
    while (position != waiting_.begin() && queueKey(at(position[-1])) > key)
      --position;
  }
  waiting_.insert(position, slot);
}

bool Scheduler::next(int64_t nowNs, ScheduledStep &step) {
  nowNs_ = nowNs;
  step.clear();
  plan(nowNs, step);
  counters_.mostRunning = std::max(counters_.mostRunning, uint32_t(running_.size()));
  return !step.empty();
}

void Scheduler::complete(const ScheduledStep &step, std::span<const uint32_t> finishedSlots,
                         int64_t nowNs) {
  nowNs_ = nowNs;
  const auto arrive = [this](uint32_t slot, uint32_t computed, bool token) {
    Sequence &sequence = at(slot);
    --sequence.inFlight;
    if (!sequence.ended) {
      sequence.delivered += token;
      return;
    }
    counters_.wastedTokens += computed;
    if (sequence.inFlight == 0)
      release(slot);
  };
  for (const PrefillChunk &chunk : step.prefills)
    arrive(chunk.slot, chunk.tokens, chunk.last);
  for (const DecodeToken &token : step.decodes)
    arrive(token.slot, 1, true);
  for (uint32_t slot : finishedSlots)
    end(slot);
}

void Scheduler::cancel(uint32_t slot, int64_t nowNs) {
  nowNs_ = nowNs;
  end(slot);
}

/// Takes a sequence out of whatever list it is in. Its blocks stay until the steps that write to
/// them are over.
void Scheduler::end(uint32_t slot) {
  Sequence &sequence = at(slot);
  if (sequence.ended)
    failInternal("request {} ends twice", sequence.id);
  sequence.ended = true;
  ++counters_.finished;
  event(SchedulerEventKind::Finished, sequence.id, sequence.delivered);
  if (sequence.running)
    std::erase(running_, slot);
  else if (!sequence.hostBlocks.empty())
    std::erase(swapped_, slot);
  else
    std::erase(waiting_, slot);
  if (sequence.inFlight == 0)
    release(slot);
}

void Scheduler::release(uint32_t slot) {
  Sequence &sequence = at(slot);
  device_.free(sequence.blocks);
  host_.free(sequence.hostBlocks);
  // The vectors keep their memory for the slot's next request.
  Sequence empty;
  empty.blocks = std::move(sequence.blocks);
  empty.hostBlocks = std::move(sequence.hostBlocks);
  empty.blocks.clear();
  empty.hostBlocks.clear();
  sequence = std::move(empty);
  freeSlots_.push_back(slot);
}

uint32_t Scheduler::missing(const Sequence &sequence, uint32_t tokens) const {
  const uint32_t needed = blocksFor(tokens), own = uint32_t(sequence.blocks.size());
  return needed > own ? needed - own : 0;
}

bool Scheduler::grow(Sequence &sequence, uint32_t tokens) {
  return device_.allocate(missing(sequence, tokens), sequence.blocks);
}

void Scheduler::headWaitsForBlocks(uint32_t missing) {
  Sequence &head = at(waiting_.front());
  if (head.saidThatItWaits)
    return;
  head.saidThatItWaits = true;
  ++counters_.waitedForBlocks;
  event(SchedulerEventKind::WaitsForBlocks, head.id, missing);
}

uint32_t Scheduler::admitHead(uint32_t cachedPrefix) {
  const uint32_t slot = waiting_.front();
  waiting_.pop_front();
  running_.push_back(slot);
  Sequence &sequence = at(slot);
  sequence.running = true;
  sequence.saidThatItWaits = false;
  sequence.cached = cachedPrefix;
  sequence.named = cachedPrefix / blockSize_;
  counters_.recomputedTokens += sequence.lost;
  sequence.lost = 0;
  event(SchedulerEventKind::Admitted, sequence.id, cachedPrefix);
  return slot;
}

void Scheduler::stall(const Sequence &sequence) {
  ++counters_.stalls;
  event(SchedulerEventKind::Stalled, sequence.id, 1);
}

void Scheduler::recompute(uint32_t slot) {
  Sequence &sequence = at(slot);
  ++counters_.recomputed;
  event(SchedulerEventKind::Recomputed, sequence.id, sequence.cached);
  device_.free(sequence.blocks);
  sequence.blocks.clear();
  sequence.lost = sequence.cached;
  sequence.cached = sequence.named = 0;
  sequence.running = false;
  std::erase(running_, slot);
  enqueue(slot, true);
}

bool Scheduler::swapOut(uint32_t slot, ScheduledStep &step) {
  Sequence &sequence = at(slot);
  const auto count = uint32_t(sequence.blocks.size());
  if (!device_.swapTo(host_, sequence.blocks, sequence.hostBlocks))
    return false;
  sequence.blocks.clear();
  sequence.running = false;
  std::erase(running_, slot);
  swapped_.push_back(slot);
  step.swappedOutBlocks += count;
  ++counters_.swappedOut;
  event(SchedulerEventKind::SwappedOut, sequence.id, count);
  return true;
}

bool Scheduler::swapIn(uint32_t slot, ScheduledStep &step) {
  Sequence &sequence = at(slot);
  const auto count = uint32_t(sequence.hostBlocks.size());
  if (!host_.swapTo(device_, sequence.hostBlocks, sequence.blocks))
    return false;
  sequence.hostBlocks.clear();
  sequence.running = true;
  std::erase(swapped_, slot);
  running_.push_back(slot);
  step.swappedInBlocks += count;
  ++counters_.swappedIn;
  event(SchedulerEventKind::SwappedIn, sequence.id, count);
  return true;
}

void Scheduler::addPrefill(uint32_t slot, uint32_t tokens, ScheduledStep &step) {
  Sequence &sequence = at(slot);
  const bool last = tokens == sequence.uncached();
  step.prefills.push_back({slot, sequence.id, sequence.cached, tokens, last});
  sequence.cached += tokens;
  sequence.generated += last;
  ++sequence.inFlight;
  if (namesBlocks_)
    nameBlocks(sequence);
}

void Scheduler::addDecode(uint32_t slot, ScheduledStep &step) {
  Sequence &sequence = at(slot);
  ++sequence.cached;
  ++sequence.generated;
  ++sequence.inFlight;
  step.decodes.push_back({slot, sequence.id, sequence.cached});
}

/// From here on others may share the block, also in this step: a layer writes the keys and values
/// of all sequences before any of them attends.
void Scheduler::nameBlocks(Sequence &sequence) {
  const auto full = std::min(sequence.cached / blockSize_, uint32_t(sequence.hashes.size()));
  for (; sequence.named < full; ++sequence.named)
    device_.remember(sequence.blocks[sequence.named], sequence.hashes[sequence.named]);
}

} // namespace vinci
