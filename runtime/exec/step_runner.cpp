#include "runtime/exec/step_runner.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

namespace {

void checkSize(size_t size, size_t expected, const char *what) {
  if (size != expected)
    fail("the step has {} {}, but needs {}", size, what, expected);
}

/// Every element of `values` in [low, high].
void checkRange(std::span<const int32_t> values, int64_t low, int64_t high, const char *what) {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] < low || values[i] > high)
      fail("{}[{}] is {}; legal: {} to {}", what, i, values[i], low, high);
}

} // namespace

CaptureForm captureOf(GraphMode mode, EntryKind kind) {
  switch (kind) {
  case EntryKind::Decode:
    return captureOfDecodes(mode);
  case EntryKind::Prefill:
    return captureOfPrefills(mode);
  case EntryKind::Score:
    break;
  }
  return CaptureForm::None;
}

void checkStepInputs(EntryKind kind, const StepInputs &inputs, const ModelLimits &limits) {
  size_t tokens = inputs.tokenIds.size(), sequences = inputs.contextLens.size();
  if (tokens == 0 || tokens > limits.maxTokensPerStep)
    fail("the step has {} tokens; legal: 1 to {} (max_tokens_per_step)", tokens,
         limits.maxTokensPerStep);
  if (sequences == 0 || sequences > limits.maxBatch)
    fail("the step has {} sequences; legal: 1 to {} (max_batch)", sequences, limits.maxBatch);
  checkSize(inputs.positions.size(), tokens, "positions");
  checkSize(inputs.slotMapping.size(), tokens, "slots");
  checkSize(inputs.queryStart.size(), sequences + 1, "query starts");
  checkSize(inputs.blockTables.size(), sequences * limits.blocksPerSequence(),
            "block table entries");
  if (kind == EntryKind::Decode)
    checkSize(tokens, sequences, "tokens in a decode step");
  if (kind != EntryKind::Prefill)
    checkSize(inputs.logitIndices.size(), 0, "logit indices");
  const size_t rows = kind == EntryKind::Prefill ? inputs.logitIndices.size() : tokens;
  if (rows > limits.logitRows())
    fail("the step asks for {} rows of logits; legal: up to {} ({})", rows, limits.logitRows(),
         limits.maxLogitRows ? "max_logit_rows" : "max_tokens_per_step");

  checkRange(inputs.tokenIds, 0, int64_t(limits.vocabSize) - 1, "token_ids");
  checkRange(inputs.slotMapping, -1, int64_t(limits.kvBlocks) * limits.blockSize - 1,
             "slot_mapping");
  checkRange(inputs.contextLens, 1, limits.maxSeqLen, "context_lens");
  checkRange(inputs.blockTables, 0, int64_t(limits.kvBlocks) - 1, "block_tables");
  checkRange(inputs.logitIndices, 0, int64_t(tokens) - 1, "logit_indices");

  checkRange(inputs.queryStart.first(1), 0, 0, "query_start");
  for (size_t s = 0; s < sequences; ++s) {
    int64_t start = inputs.queryStart[s], end = inputs.queryStart[s + 1];
    if (end <= start || end > int64_t(tokens))
      fail("query_start[{}] is {}; legal: {} to {}", s + 1, end, start + 1, tokens);
    for (int64_t t = start; t < end; ++t)
      if (inputs.positions[t] < 0 || inputs.positions[t] >= inputs.contextLens[s])
        fail("positions[{}] is {}; legal: 0 to {}, the context of sequence {}", t,
             inputs.positions[t], inputs.contextLens[s] - 1, s);
  }
  if (inputs.queryStart[sequences] != int64_t(tokens))
    fail("query_start[{}] is {}; legal: {}, the number of tokens", sequences,
         inputs.queryStart[sequences], tokens);
}

void checkStepInputs(EntryKind kind, std::span<const StepInputs> groups,
                     const ModelLimits &limits) {
  checkSize(groups.size(), limits.dataGroups, "groups of inputs");
  const auto hasTokens = [](const StepInputs &inputs) { return !inputs.tokenIds.empty(); };
  if (std::ranges::none_of(groups, hasTokens))
    fail("the step has 0 tokens; legal: 1 to {} (max_tokens_per_step)", limits.maxTokensPerStep);
  for (const StepInputs &inputs : groups)
    if (hasTokens(inputs))
      checkStepInputs(kind, inputs, limits);
}

} // namespace vinci
