// Decides what each step of a model computes: which sequences decode, which chunks of prompts are
// prefilled, who waits, who is preempted. Knows no model and no clock: times are what the caller
// says, in nanoseconds, so that a server and a simulation in virtual time use the same code.
//
//   scheduler.submit(request, now);
//   while (scheduler.next(now, step)) {
//     … run the step …
//     scheduler.complete(step, finishedSlots, now);
//   }
//
// With async scheduling the caller asks for a second step before it completes the first; a request
// whose end was not foreseen is then in one step too many, whose token is wasted. The same calls
// give the same decisions.
#pragma once

#include "runtime/serving/kv_blocks.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace vinci {

struct SchedulerRequest {
  uint64_t id = 0; ///< the caller's; comes back in steps and events
  uint32_t inputTokens = 0;
  uint32_t maxTokens = 0; ///< generate at most so many, at least one
  uint32_t priority = 5;  ///< 1 is served first; only policies by priority look at it
  std::vector<uint64_t>
      blockHashes; ///< hashBlocks() of the prompt, for prefix caching; may be empty
};

/// What became of a submitted request.
struct Admission {
  uint32_t slot = 0; ///< names the request until it has finished; then the slot is used again
  uint32_t inputTokens = 0; ///< fewer than asked for if the prompt was truncated
  uint32_t maxTokens = 0;   ///< within all limits of the server
};

struct PrefillChunk {
  uint32_t slot = 0;
  uint64_t id = 0;
  uint32_t first = 0;  ///< tokens that are in the cache already
  uint32_t tokens = 0; ///< to compute
  bool last = false;   ///< the step gives the request its next token
};

struct DecodeToken {
  uint32_t slot = 0;
  uint64_t id = 0;
  uint32_t context = 0; ///< tokens in the cache after the step
};

struct ScheduledStep {
  std::vector<PrefillChunk> prefills;
  std::vector<DecodeToken> decodes;
  uint32_t swappedOutBlocks = 0, swappedInBlocks = 0; ///< to be moved before the step
  /// Where next() returned false although requests wait: ask again at this time, or when something
  /// completes or arrives. 0: only then.
  int64_t wakeNs = 0;

  bool empty() const { return prefills.empty() && decodes.empty(); }
  void clear();
};

enum class SchedulerEventKind : uint8_t {
  Submitted,
  Refused,        ///< can never be served; `value` is 0
  Truncated,      ///< `value` tokens of the prompt were cut off
  Admitted,       ///< runs from now on; `value` tokens of its prompt were found in the cache
  WaitsForBlocks, ///< would be admitted, but `value` KV blocks are missing; once per waiting
  Stalled,        ///< has no block for its next token and cannot decode in this step
  Recomputed,     ///< preempted: its `value` cached tokens are given up and computed again
  SwappedOut,     ///< preempted: its `value` blocks are in host memory
  SwappedIn,
  Finished, ///< with `value` tokens
};

/// "submitted", "waits_for_blocks", …
std::string_view toString(SchedulerEventKind kind);

struct SchedulerEvent {
  int64_t timeNs = 0;
  SchedulerEventKind kind = SchedulerEventKind::Submitted;
  uint64_t id = 0;
  uint64_t value = 0;

  bool operator==(const SchedulerEvent &) const = default;
};

struct SchedulerCounters {
  uint64_t submitted = 0, refused = 0, truncated = 0, finished = 0;
  uint64_t waitedForBlocks = 0;  ///< requests whose admission was put off for want of blocks
  uint64_t stalls = 0;           ///< decode tokens that were put off for want of a block
  uint64_t recomputed = 0;       ///< preemptions
  uint64_t recomputedTokens = 0; ///< that were in the cache before
  uint64_t swappedOut = 0, swappedIn = 0; ///< requests
  uint64_t prefixTokensAsked = 0, prefixTokensFound = 0;
  uint64_t wastedTokens = 0; ///< computed for requests that had ended
  uint32_t mostRunning = 0;

  /// Of several schedulers together; mostRunning as if all had it at once.
  SchedulerCounters &operator+=(const SchedulerCounters &other);
};

class Scheduler {
public:
  virtual ~Scheduler() = default;

  /// Takes a request. Throws Error if it can never be served; counted as refused.
  Admission submit(const SchedulerRequest &request, int64_t nowNs);
  /// Fills `step` with what to compute now. False if there is nothing, see ScheduledStep::wakeNs.
  bool next(int64_t nowNs, ScheduledStep &step);
  /// The results of a step are known; `finishedSlots` have ended with it. Steps complete in the
  /// order in which they were scheduled. A request that has got maxTokens must be among the
  /// finished.
  void complete(const ScheduledStep &step, std::span<const uint32_t> finishedSlots, int64_t nowNs);
  /// Ends a request that has not finished, at once or with its steps that are under way.
  void cancel(uint32_t slot, int64_t nowNs);

  /// Steps that may be scheduled and not completed: 2 with async scheduling.
  uint32_t stepsAhead() const { return stepsAhead_; }
  uint32_t blockSize() const { return blockSize_; }
  /// SchedulerRequest::blockHashes are looked at.
  bool cachesPrefixes() const { return namesBlocks_; }
  size_t waiting() const { return waiting_.size(); }
  size_t running() const { return running_.size(); }
  size_t swapped() const { return swapped_.size(); }
  bool idle() const { return waiting_.empty() && running_.empty() && swapped_.empty(); }

  /// The block table of a running request.
  std::span<const int32_t> blocks(uint32_t slot) const { return sequences_[slot].blocks; }
  const KvBlocks &deviceBlocks() const { return device_; }
  const KvBlocks &hostBlocks() const { return host_; }
  const SchedulerCounters &counters() const { return counters_; }
  /// Is told of everything that happens, in order. May be empty.
  void onEvent(std::function<void(const SchedulerEvent &)> sink) { sink_ = std::move(sink); }

protected:
  struct Sequence {
    uint64_t id = 0;
    uint64_t order = 0; ///< of submission
    int64_t submittedNs = 0;
    uint32_t inputTokens = 0, maxTokens = 0, priority = 0;
    // Both count steps under way as done.
    uint32_t cached = 0;    ///< tokens whose keys and values are in the cache
    uint32_t generated = 0; ///< tokens generated
    uint32_t inFlight = 0;  ///< steps under way
    uint32_t delivered = 0; ///< tokens of completed steps
    uint32_t lost = 0;      ///< cached tokens that recompute() gave up
    uint32_t named = 0;     ///< blocks that KvBlocks was told the contents of
    bool running = false, ended = false, saidThatItWaits = false;
    std::vector<int32_t> blocks;     ///< on the device
    std::vector<int32_t> hostBlocks; ///< while swapped out
    std::vector<uint64_t> hashes;

    uint32_t known() const { return inputTokens + generated; }
    uint32_t uncached() const { return known() - cached; }
    /// Has only its last token to compute, and may get another one.
    bool decodes() const { return generated > 0 && uncached() == 1 && wantsMore(); }
    bool prefills() const { return (generated == 0 || uncached() > 1) && wantsMore(); }
    bool wantsMore() const { return !ended && generated < maxTokens; }
    /// The last token is never put into the cache.
    uint32_t cachedAtMost() const { return inputTokens + maxTokens - 1; }
  };

  Scheduler(uint32_t deviceBlocks, uint32_t hostBlocks, uint32_t blockSize);

  /// Limits a request to what the server allows. Throws Error if it can never be served.
  virtual Admission limit(const SchedulerRequest &request) const = 0;
  /// Fills an empty step, by the functions below.
  virtual void plan(int64_t nowNs, ScheduledStep &step) = 0;
  /// Where a request is queued: behind those with a key that is not larger. 0: first come, first
  /// served.
  virtual uint64_t queueKey(const Sequence &) const { return 0; }

  Sequence &at(uint32_t slot) { return sequences_[slot]; }
  uint32_t blocksFor(uint32_t tokens) const { return (tokens + blockSize_ - 1) / blockSize_; }
  /// Blocks that a sequence lacks to have so many tokens cached.
  uint32_t missing(const Sequence &sequence, uint32_t tokens) const;
  /// Gives a sequence blocks for so many cached tokens; false if there are not enough.
  bool grow(Sequence &sequence, uint32_t tokens);

  /// Reports, once per waiting, that the head of the queue has no blocks.
  void headWaitsForBlocks(uint32_t missing);
  /// Moves the head of the queue to the end of the running; true blocks are the caller's matter.
  uint32_t admitHead(uint32_t cachedPrefix);
  void stall(const Sequence &sequence);
  /// Gives up a running sequence's blocks and queues it first.
  void recompute(uint32_t slot);
  /// False, and nothing changed, if the host has no room.
  bool swapOut(uint32_t slot, ScheduledStep &step);
  bool swapIn(uint32_t slot, ScheduledStep &step);

  /// Adds the next `tokens` of a sequence to the step; its blocks are there.
  void addPrefill(uint32_t slot, uint32_t tokens, ScheduledStep &step);
  void addDecode(uint32_t slot, ScheduledStep &step);

  KvBlocks device_, host_;
  const uint32_t blockSize_;
  uint32_t stepsAhead_ = 1;
  bool namesBlocks_ = false;      ///< tells device_ what prompts' full blocks hold
  std::deque<uint32_t> waiting_;  ///< slots, as queueKey() has it
  std::vector<uint32_t> running_; ///< in order of admission
  std::vector<uint32_t> swapped_; ///< in order of leaving
  SchedulerCounters counters_;
  int64_t nowNs_ = 0; ///< of the call that is being served

private:
  void event(SchedulerEventKind kind, uint64_t id, uint64_t value);
  void enqueue(uint32_t slot, bool first);
  void nameBlocks(Sequence &sequence);
  void end(uint32_t slot);
  void release(uint32_t slot);

  std::vector<Sequence> sequences_; ///< by slot
  std::vector<uint32_t> freeSlots_;
  uint64_t order_ = 0;
  std::function<void(const SchedulerEvent &)> sink_;
};

} // namespace vinci
