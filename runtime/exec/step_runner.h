// What can run the steps of a model: a loaded plan (loaded_model.h), or a toy in a test.
#pragma once

#include "runtime/device/graph_capture.h"
#include "runtime/plan/entry_kind.h"

#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

struct ModelLimits {
  uint32_t vocabSize = 0;
  uint32_t maxSeqLen = 0;
  uint32_t maxTokensPerStep = 0;
  uint32_t maxBatch = 0; ///< sequences per step
  uint32_t kvBlocks = 0;
  uint32_t blockSize = 0;    ///< tokens per KV block
  uint32_t dataGroups = 1;   ///< each with tokens, a batch and KV blocks of its own
  uint32_t maxLogitRows = 0; ///< 0: maxTokensPerStep

  /// Rows of logits that a step may ask for: a score step has as many tokens at most.
  uint32_t logitRows() const { return maxLogitRows ? maxLogitRows : maxTokensPerStep; }

  uint32_t blocksFor(uint32_t tokens) const { return (tokens + blockSize - 1) / blockSize; }
  /// The width of a row of blockTables.
  uint32_t blocksPerSequence() const { return blocksFor(maxSeqLen); }
};

/// One step of a data-parallel group. Token t of sequence s, at position p, attends to the cache
/// positions 0..p of s.
struct StepInputs {
  std::span<const int32_t> tokenIds;     ///< [tokens]
  std::span<const int32_t> positions;    ///< [tokens]
  std::span<const int32_t> slotMapping;  ///< [tokens]: block * blockSize + offset, -1: do not cache
  std::span<const int32_t> queryStart;   ///< [sequences + 1]: where each sequence's tokens start
  std::span<const int32_t> contextLens;  ///< [sequences]: tokens in the cache, this step's included
  std::span<const int32_t> blockTables;  ///< [sequences, blocksPerSequence()]; unused entries are 0
  std::span<const int32_t> logitIndices; ///< Prefill only: tokens that logits are wanted for
};

/// How steps of this kind are captured in `mode`.
CaptureForm captureOf(GraphMode mode, EntryKind kind);

/// Throws Error on the first input that a step with these limits cannot take: whatever passes stays
/// inside every buffer.
void checkStepInputs(EntryKind kind, const StepInputs &inputs, const ModelLimits &limits);
/// Likewise, for all groups of `limits`.
void checkStepInputs(EntryKind kind, std::span<const StepInputs> groups, const ModelLimits &limits);

class StepRunner {
public:
  virtual ~StepRunner() = default;

  virtual const ModelLimits &limits() const = 0;
  /// The graphs that there are: a step of one of these sizes is replayed, if its kind is captured.
  /// Score steps are not.
  virtual const GraphCapture &graphs() const = 0;
  /// A step of all groups at once, as their ranks meet in it: `groups` has the inputs of each. A
  /// group may have no tokens, if another has some. The logits of each, [rows, vocabSize], valid
  /// until the next step. Rows: those of logitIndices, or one per token. Throws Error as
  /// checkStepInputs.
  virtual std::span<const std::span<const float>>
  stepGroups(EntryKind kind, std::span<const StepInputs> groups) = 0;
  /// Of the last step, for each MoE layer how many experts of a rank got a token; of the rank where
  /// they are the most. Empty if nobody counts.
  virtual std::span<const uint32_t> expertsHit() const { return {}; }

  /// The same inputs for every group, and the logits of one of them.
  std::span<const float> step(EntryKind kind, const StepInputs &inputs) {
    if (limits().dataGroups == 1)
      return stepGroups(kind, {&inputs, 1})[0];
    return stepGroups(kind, std::vector<StepInputs>(limits().dataGroups, inputs))[0];
  }
};

} // namespace vinci
