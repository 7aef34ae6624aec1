#include "tests/unit/serving/toy_model.h"

namespace vinci::test {

namespace {

constexpr uint64_t start = 0x9e3779b97f4a7c15;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0xff51afd7ed558ccd;
  return hash ^ hash >> 29;
}

void fillLogits(uint64_t hash, std::span<float> row) {
  for (size_t v = 0; v < row.size(); ++v)
    row[v] = float(mix(hash, v) >> 40) * 0x1p-22f; // 0 to 4
}

} // namespace

ModelLimits smallLimits() {
  return {97, 40, 16, 4, 64, 4};
}

ToyModel::ToyModel(ModelLimits limits)
    : limits_(limits),
      groups_(limits.dataGroups,
              {std::vector<int32_t>(size_t(limits.kvBlocks) * limits.blockSize, -1),
               std::vector<float>(size_t(limits.maxTokensPerStep) * limits.vocabSize)}),
      logits_(limits.dataGroups) {}

std::vector<float> ToyModel::logitsAfter(std::span<const int32_t> ids, uint32_t vocabSize) {
  uint64_t hash = start;
  for (int32_t id : ids)
    hash = mix(hash, uint64_t(id));
  std::vector<float> row(vocabSize);
  fillLogits(hash, row);
  return row;
}

std::span<const std::span<const float>> ToyModel::stepGroups(EntryKind kind,
                                                             std::span<const StepInputs> groups) {
  checkStepInputs(kind, groups, limits_);
  steps.push_back({kind, 0, 0});
  for (size_t i = 0; i < groups.size(); ++i) {
    steps.back().tokens += groups[i].tokenIds.size();
    steps.back().sequences += groups[i].contextLens.size();
    logits_[i] = step(kind, groups[i], groups_[i]);
  }
  return logits_;
}

std::span<const float> ToyModel::step(EntryKind kind, const StepInputs &inputs,
                                      Group &group) const {
  auto &[cache, logits] = group;
  for (size_t t = 0; t < inputs.tokenIds.size(); ++t)
    if (inputs.slotMapping[t] >= 0)
      cache[size_t(inputs.slotMapping[t])] = inputs.tokenIds[t];

  std::vector<uint64_t> hashes;
  for (size_t s = 0; s < inputs.contextLens.size(); ++s)
    for (int32_t t = inputs.queryStart[s]; t < inputs.queryStart[s + 1]; ++t) {
      uint64_t hash = start;
      for (uint32_t p = 0; p <= uint32_t(inputs.positions[t]); ++p) {
        int32_t block = inputs.blockTables[s * limits_.blocksPerSequence() + p / limits_.blockSize];
        hash =
            mix(hash, uint64_t(cache[size_t(block) * limits_.blockSize + p % limits_.blockSize]));
      }
      hashes.push_back(hash);
    }

  std::vector<uint64_t> rows = hashes;
  if (kind == EntryKind::Prefill) {
    rows.clear();
    for (int32_t index : inputs.logitIndices)
      rows.push_back(hashes[size_t(index)]);
  }
  for (size_t r = 0; r < rows.size(); ++r)
    fillLogits(rows[r], std::span(logits).subspan(r * limits_.vocabSize, limits_.vocabSize));
  return std::span(logits).first(rows.size() * limits_.vocabSize);
}

} // namespace vinci::test
