#include "runtime/serving/step_timer.h"

#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

/// Writes down what it is asked.
class Recorder final : public StepTimer {
public:
  StepTime time(const StepShape &shape) override {
    std::string text = toString(shape.mode);
    for (const StepShape::Part &part : shape.prefills)
      text += fmt::format(" {}+{}", part.first, part.tokens);
    for (uint32_t context : shape.decodeContexts)
      text += fmt::format(" {}", context);
    text += fmt::format(" out {} in {}", shape.swappedOutBlocks, shape.swappedInBlocks);
    if (shape.leastTokens > 0)
      text +=
          fmt::format(" of {} tokens and {} sequences", shape.leastTokens, shape.leastSequences);
    asked.push_back(text);
    return {int64_t(asked.size()), answer};
  }
  std::vector<std::string> asked;
  int64_t answer = 0;
};

ScheduledStep decodes(std::vector<uint32_t> contexts) {
  ScheduledStep step;
  for (uint32_t context : contexts)
    step.decodes.push_back({0, 0, context});
  return step;
}

TEST(StepTimeCache, AsksOnceForABatchAndABucketOfContexts) {
  Recorder recorder;
  StepTimeCache cache(recorder, 32);
  EXPECT_EQ(cache.time(decodes({1, 63})).deviceNs, 1); // mean 32
  EXPECT_EQ(cache.time(decodes({30, 30})).deviceNs, 1);
  EXPECT_EQ(cache.time(decodes({32, 33})).deviceNs, 2);
  EXPECT_EQ(cache.time(decodes({32})).deviceNs, 3);
  EXPECT_EQ(cache.time(decodes({32, 32})).deviceNs, 1);
  EXPECT_EQ(recorder.asked,
            (std::vector<std::string>{"decode 32 32 out 0 in 0", "decode 64 64 out 0 in 0",
                                      "decode 32 out 0 in 0"}));
  EXPECT_EQ(cache.size(), 3u);
}

TEST(StepTimeCache, TellsPrefillsAndSwapsApartExactly) {
  Recorder recorder;
  StepTimeCache cache(recorder, 32);
  ScheduledStep step;
  step.prefills.push_back({0, 0, 0, 61, true});
  cache.time(step);
  cache.time(step);
  step.prefills.push_back({1, 1, 16, 5, false});
  cache.time(step);
  step.decodes.push_back({2, 2, 7});
  step.swappedOutBlocks = 3;
  step.swappedInBlocks = 4;
  cache.time(step);
  EXPECT_EQ(recorder.asked,
            (std::vector<std::string>{"prefill 0+61 out 0 in 0", "prefill 0+61 16+5 out 0 in 0",
                                      "mixed 0+61 16+5 32 out 3 in 4"}));
}

TEST(StepTimeCache, GroupsStepTogether) {
  Recorder recorder;
  StepTimeCache cache(recorder, 32);
  ScheduledStep prompt;
  prompt.prefills.push_back({0, 0, 0, 40, true});
  const std::vector<ScheduledStep> decoding = {decodes({10, 20}), {}, decodes({90})};
  const std::vector<ScheduledStep> mixed = {decodes({10, 20}), prompt, decodes({90})};
  cache.time(decoding);
  cache.time(mixed);
  const std::vector<ScheduledStep> turned = {{}, decodes({90}), decodes({10, 20})};
  cache.time(turned);
  // The group that attends to the most, with the rows of the one that has the most; a prompt makes
  // it a step with prompts for all.
  EXPECT_EQ(recorder.asked,
            (std::vector<std::string>{"decode 96 out 0 in 0 of 2 tokens and 2 sequences",
                                      "mixed 0+40 out 0 in 0 of 40 tokens and 2 sequences"}));
  prompt.prefills[0].tokens = 5;
  const std::vector<ScheduledStep> small = {decodes({10, 20}), prompt, decodes({90})};
  cache.time(small);
  EXPECT_EQ(recorder.asked.back(), "mixed 96 out 0 in 0 of 5 tokens and 2 sequences");
}

TEST(StepTimeCache, RefusesTimesThatStandStill) {
  class Still final : public StepTimer {
    StepTime time(const StepShape &) override { return {0, 0}; }
  } still;
  StepTimeCache cache(still);
  EXPECT_EQ(test::messageOf([&] { cache.time(decodes({1})); }),
            "a step takes 0 ns on the device and 0 ns on the host");
  EXPECT_EQ(test::messageOf([&] { StepTimeCache(still, 0); }),
            "contexts are rounded to multiples of 0 tokens; at least 1 is expected");
}

} // namespace
} // namespace vinci
