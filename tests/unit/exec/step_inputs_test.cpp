#include "runtime/exec/step_runner.h"
#include "runtime/support/error.h"

#include <gtest/gtest.h>
#include <vector>

namespace vinci {
namespace {

using Values = std::vector<int32_t>;

/// Two sequences, of 3 and 1 tokens; limits: vocab 10, max_seq_len 12, 6 tokens, 2 sequences, 5
/// blocks of 4.
struct Step {
  Values tokenIds = {1, 2, 3, 9}, positions = {0, 1, 2, 7}, slots = {0, 1, 2, 11},
         queryStart = {0, 3, 4}, contextLens = {3, 8}, blockTables = {0, 0, 0, 1, 2, 0},
         logitIndices = {2, 3};

  std::string problem(EntryKind kind = EntryKind::Prefill) const {
    try {
      checkStepInputs(
          kind, {tokenIds, positions, slots, queryStart, contextLens, blockTables, logitIndices},
          {10, 12, 6, 2, 5, 4});
    } catch (const Error &error) {
      return error.message();
    }
    return "none";
  }
};

TEST(StepInputs, AStepWithinTheLimitsPasses) {
  EXPECT_EQ(Step().problem(), "none");
  Step step;
  step.logitIndices = {};
  EXPECT_EQ(step.problem(), "none");
  EXPECT_EQ(step.problem(EntryKind::Score), "none");
  step.slots[1] = -1;
  EXPECT_EQ(step.problem(), "none");
}

TEST(StepInputs, Sizes) {
  Step step;
  step.tokenIds.clear();
  EXPECT_EQ(step.problem(), "the step has 0 tokens; legal: 1 to 6 (max_tokens_per_step)");
  step.tokenIds.resize(7);
  EXPECT_EQ(step.problem(), "the step has 7 tokens; legal: 1 to 6 (max_tokens_per_step)");
  step = {};
  step.contextLens.clear();
  EXPECT_EQ(step.problem(), "the step has 0 sequences; legal: 1 to 2 (max_batch)");
  step.contextLens.resize(3);
  EXPECT_EQ(step.problem(), "the step has 3 sequences; legal: 1 to 2 (max_batch)");
  step = {};
  step.positions.pop_back();
  EXPECT_EQ(step.problem(), "the step has 3 positions, but needs 4");
  step = {};
  step.slots.pop_back();
  EXPECT_EQ(step.problem(), "the step has 3 slots, but needs 4");
  step = {};
  step.queryStart.pop_back();
  EXPECT_EQ(step.problem(), "the step has 2 query starts, but needs 3");
  step = {};
  step.blockTables.pop_back();
  EXPECT_EQ(step.problem(), "the step has 5 block table entries, but needs 6");
  step = {};
  EXPECT_EQ(step.problem(EntryKind::Decode), "the step has 4 tokens in a decode step, but needs 2");
  EXPECT_EQ(step.problem(EntryKind::Score), "the step has 2 logit indices, but needs 0");
  step.logitIndices.resize(7);
  EXPECT_EQ(step.problem(),
            "the step asks for 7 rows of logits; legal: up to 6 (max_tokens_per_step)");
}

TEST(StepInputs, Values) {
  auto with = [](Values Step::*field, size_t index, int32_t value) {
    Step step;
    (step.*field)[index] = value;
    return step.problem();
  };
  EXPECT_EQ(with(&Step::tokenIds, 1, 10), "token_ids[1] is 10; legal: 0 to 9");
  EXPECT_EQ(with(&Step::tokenIds, 1, -1), "token_ids[1] is -1; legal: 0 to 9");
  EXPECT_EQ(with(&Step::slots, 3, 20), "slot_mapping[3] is 20; legal: -1 to 19");
  EXPECT_EQ(with(&Step::slots, 3, -2), "slot_mapping[3] is -2; legal: -1 to 19");
  EXPECT_EQ(with(&Step::contextLens, 0, 13), "context_lens[0] is 13; legal: 1 to 12");
  EXPECT_EQ(with(&Step::contextLens, 0, 0), "context_lens[0] is 0; legal: 1 to 12");
  EXPECT_EQ(with(&Step::blockTables, 4, 5), "block_tables[4] is 5; legal: 0 to 4");
  EXPECT_EQ(with(&Step::blockTables, 4, -1), "block_tables[4] is -1; legal: 0 to 4");
  EXPECT_EQ(with(&Step::logitIndices, 0, 4), "logit_indices[0] is 4; legal: 0 to 3");
  EXPECT_EQ(with(&Step::positions, 2, 3),
            "positions[2] is 3; legal: 0 to 2, the context of sequence 0");
  EXPECT_EQ(with(&Step::positions, 3, -1),
            "positions[3] is -1; legal: 0 to 7, the context of sequence 1");
}

TEST(StepInputs, QueryStarts) {
  Step step;
  step.queryStart = {1, 3, 4};
  EXPECT_EQ(step.problem(), "query_start[0] is 1; legal: 0 to 0");
  step.queryStart = {0, 0, 4};
  EXPECT_EQ(step.problem(), "query_start[1] is 0; legal: 1 to 4");
  step.queryStart = {0, 5, 4};
  EXPECT_EQ(step.problem(), "query_start[1] is 5; legal: 1 to 4");
  step.queryStart = {0, 1, 3};
  step.positions = {0, 1, 2, 7};
  EXPECT_EQ(step.problem(), "query_start[2] is 3; legal: 4, the number of tokens");
}

} // namespace
} // namespace vinci
