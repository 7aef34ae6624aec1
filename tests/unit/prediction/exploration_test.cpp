#include "runtime/prediction/exploration.h"

#include "runtime/prediction/ablation.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

Candidate candidate(double tpotMs, double tokensPerS, int64_t tp, int64_t batch) {
  Candidate candidate{.tp = tp, .batch = batch, .quant = {}, .graphMode = {}};
  candidate.estimate.tpotMs = tpotMs;
  candidate.estimate.outputTokensPerS = tokensPerS;
  return candidate;
}

TEST(ParetoFront, HasWhatNoOtherBeats) {
  const std::vector<Candidate> front = paretoFront({
      candidate(30, 100, 1, 1),                                                   // beaten by 3
      candidate(20, 80, 1, 2), candidate(20, 90, 1, 3), candidate(25, 300, 4, 4), // 75 of a device
      candidate(40, 800, 4, 5), candidate(40, 800, 4, 6),                         // the same again
  });
  std::vector<int64_t> batches;
  for (const Candidate &one : front)
    batches.push_back(one.batch);
  EXPECT_EQ(batches, (std::vector<int64_t>{3, 1, 5}));
  EXPECT_TRUE(paretoFront({}).empty());
}

TEST(Ablation, PercentagesAreRounded) {
  EXPECT_EQ(percentAbove(110, 100), 10);
  EXPECT_EQ(percentAbove(99.999, 100), 0);
  EXPECT_EQ(percentAbove(78.456, 100), -21.54);
  EXPECT_EQ(percentAbove(5, 0), 0);
}

} // namespace
} // namespace vinci
