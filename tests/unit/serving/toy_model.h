// A model without arithmetic: the logits of a token are a hash of everything before it, read from a
// paged cache through the block table. Whoever puts a wrong token, position, slot or block anywhere
// gets other logits.
#pragma once

#include "runtime/exec/step_runner.h"
#include "runtime/support/error.h"

#include <string>
#include <vector>

namespace vinci::test {

class ToyModel final : public StepRunner {
public:
  explicit ToyModel(ModelLimits limits);

  const ModelLimits &limits() const override { return limits_; }
  std::span<const std::span<const float>> stepGroups(EntryKind kind,
                                                     std::span<const StepInputs> groups) override;

  /// The logits after `ids`, computed without cache or batch.
  static std::vector<float> logitsAfter(std::span<const int32_t> ids, uint32_t vocabSize);

  struct Step {
    EntryKind kind;
    size_t tokens, sequences; ///< of all groups
  };
  std::vector<Step> steps; ///< all so far

private:
  struct Group {
    std::vector<int32_t> cache; ///< by slot: the token id
    std::vector<float> logits;
  };

  std::span<const float> step(EntryKind kind, const StepInputs &inputs, Group &group) const;

  ModelLimits limits_;
  std::vector<Group> groups_;
  std::vector<std::span<const float>> logits_;
};

/// vocab 97, max_seq_len 40, 16 tokens per step, 4 sequences, 64 blocks of 4, one group.
ModelLimits smallLimits();

/// The message of the Error that `action` throws.
std::string messageOf(auto &&action) {
  try {
    action();
  } catch (const Error &error) {
    return error.message();
  }
  return "no error";
}

} // namespace vinci::test
