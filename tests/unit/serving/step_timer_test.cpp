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
