// What a step takes, as far as the request level needs to know.
#pragma once

#include "runtime/serving/scheduler.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vinci {

enum class StepMode : uint8_t {
  Prefill,
  Decode,
  Mixed, ///< chunks of prompts beside decodes
};

/// "prefill", "decode", "mixed".
const char *toString(StepMode mode);

struct StepShape {
  struct Part {
    uint32_t first = 0;  ///< tokens in the cache before the step
    uint32_t tokens = 0; ///< that it computes
  };
  StepMode mode = StepMode::Decode;
  std::span<const Part> prefills;
  std::span<const uint32_t> decodeContexts;           ///< tokens in the cache after the step
  uint32_t swappedOutBlocks = 0, swappedInBlocks = 0; ///< moved to and from the host before it
  /// Rows that the step is padded to, if it has fewer: those of another data-parallel group.
  uint32_t leastTokens = 0, leastSequences = 0;
};

/// The step takes the longer of the two; what the host does between steps is not in it.
struct StepTime {
  int64_t deviceNs = 0; ///< the device's critical path
  int64_t hostNs = 0;   ///< launching everything

  int64_t ns() const { return deviceNs > hostNs ? deviceNs : hostNs; }
};

class StepTimer {
public:
  virtual ~StepTimer() = default;
  /// The same shape must always take the same time. Both times are at least 0, and one of them is
  /// above 0.
  virtual StepTime time(const StepShape &shape) = 0;
};

/// Asks a timer once for each kind of step: decodes are told apart by their number and their mean
/// context, rounded up to a multiple of `contextBucket`, and the timer sees them all at that
/// context; prefills are told apart exactly.
///
/// Data-parallel groups meet at every collective, so that they step together: the timer sees the
/// group that attends to the most, padded to the rows of the one with the most, and a step with a
/// prompt in any group is none of decoding.
class StepTimeCache {
public:
  /// `timer` must outlive it.
  explicit StepTimeCache(StepTimer &timer, uint32_t contextBucket = 32);
  ~StepTimeCache();

  StepTime time(std::span<const ScheduledStep> groups);
  StepTime time(const ScheduledStep &step) { return time(std::span(&step, 1)); }
  /// Steps that the timer was asked for.
  size_t size() const;

private:
  struct Table;

  StepTimer &timer_;
  const uint32_t contextBucket_;
  std::unique_ptr<Table> table_;
  std::vector<uint32_t> key_, contexts_;
  std::vector<StepShape::Part> parts_;
};

/// What a step consists of; of several groups, what all of them together do.
StepMode modeOf(std::span<const ScheduledStep> groups);
inline StepMode modeOf(const ScheduledStep &step) {
  return modeOf(std::span(&step, 1));
}

/// The group whose step takes the longest: that with the most tokens to attend to.
size_t busiestGroup(std::span<const ScheduledStep> groups);
/// Over all groups, the most tokens and the most sequences that one has.
struct StepRows {
  uint32_t tokens = 0, sequences = 0;
};
StepRows mostRows(std::span<const ScheduledStep> groups);

} // namespace vinci
