#include "runtime/serving/step_batch.h"

namespace vinci {

StepBatch::StepBatch(const ModelLimits &limits) : limits_(limits) {
  clear();
}

void StepBatch::clear() {
  for (auto *values : {&tokenIds_, &positions_, &slotMapping_, &queryStart_, &contextLens_,
                       &blockTables_, &logitIndices_})
    values->clear();
  queryStart_.push_back(0);
}

void StepBatch::add(std::span<const int32_t> ids, uint32_t first, uint32_t count,
                    std::span<const int32_t> blocks, bool wantLast) {
  for (uint32_t position = first; position < first + count; ++position) {
    tokenIds_.push_back(ids[position]);
    positions_.push_back(int32_t(position));
    slotMapping_.push_back(blocks[position / limits_.blockSize] * int32_t(limits_.blockSize) +
                           int32_t(position % limits_.blockSize));
  }
  queryStart_.push_back(int32_t(tokens()));
  contextLens_.push_back(int32_t(first + count));
  blockTables_.insert(blockTables_.end(), blocks.begin(), blocks.end());
  blockTables_.resize(size_t(sequences()) * limits_.blocksPerSequence());
  if (wantLast)
    logitIndices_.push_back(int32_t(tokens()) - 1);
}

bool StepBatch::pad(uint32_t size, bool oneEach) {
  const uint32_t missing = size - tokens();
  const uint32_t more = missing == 0 ? 0 : oneEach ? missing : 1;
  if (sequences() + more > limits_.maxBatch || (!oneEach && missing > limits_.maxSeqLen))
    return false;
  for (uint32_t i = 0; i < missing; ++i) {
    tokenIds_.push_back(0);
    positions_.push_back(oneEach ? 0 : int32_t(i));
    slotMapping_.push_back(-1);
    if (!oneEach && i + 1 < missing)
      continue;
    queryStart_.push_back(int32_t(tokens()));
    contextLens_.push_back(positions_.back() + 1);
  }
  // They read block 0, whatever is in there.
  blockTables_.resize(size_t(sequences()) * limits_.blocksPerSequence());
  return true;
}

StepInputs StepBatch::inputs(EntryKind kind) const {
  StepInputs inputs = {tokenIds_,    positions_, slotMapping_, queryStart_, contextLens_,
                       blockTables_, {}};
  if (kind == EntryKind::Prefill)
    inputs.logitIndices = logitIndices_;
  return inputs;
}

} // namespace vinci
