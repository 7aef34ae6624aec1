// Collects the tokens of several sequences into the inputs of one step.
#pragma once

#include "runtime/exec/step_runner.h"

#include <vector>

namespace vinci {

class StepBatch {
public:
  explicit StepBatch(const ModelLimits &limits);

  void clear();
  /// Adds the tokens at positions first .. first + count - 1 of a sequence whose ids are `ids` and
  /// whose cache lies in `blocks`. With `wantLast`, its last token is among the logitIndices of a
  /// prefill step.
  void add(std::span<const int32_t> ids, uint32_t first, uint32_t count,
           std::span<const int32_t> blocks, bool wantLast);

  /// Adds tokens up to `size` in all that nobody wants anything of: they are not cached, and come
  /// after all others, each as a sequence of its own (`oneEach`) or together as one. True if there
  /// is room for their sequences.
  bool pad(uint32_t size, bool oneEach);

  uint32_t tokens() const { return uint32_t(tokenIds_.size()); }
  uint32_t sequences() const { return uint32_t(contextLens_.size()); }
  /// Valid until the next clear() or add().
  StepInputs inputs(EntryKind kind) const;

private:
  ModelLimits limits_;
  std::vector<int32_t> tokenIds_, positions_, slotMapping_, queryStart_, contextLens_, blockTables_,
      logitIndices_;
};

} // namespace vinci
