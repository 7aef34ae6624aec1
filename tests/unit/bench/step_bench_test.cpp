// Names of tests, what they need, and what figures follow from a run. Whole runs are in
// golden/bench.
#include "runtime/bench/step_bench.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

TEST(BenchTests, AreNamedByWhatTheyDo) {
  EXPECT_EQ(BenchTest::prompt(512).name, "pp512");
  EXPECT_EQ(BenchTest::decode(128).name, "tg128");
  EXPECT_EQ(BenchTest::atDepth(64, 2048).name, "tg64@d2048");
  EXPECT_EQ(BenchTest::batched(32, 8).name, "tg32@b8");
}

TEST(BenchTests, SayWhatTheyNeed) {
  const ModelLimits limits{.vocabSize = 100,
                           .maxSeqLen = 128,
                           .maxTokensPerStep = 16,
                           .maxBatch = 8,
                           .kvBlocks = 12,
                           .blockSize = 16};
  EXPECT_EQ(misfit(BenchTest::prompt(128), limits), ""); // in 8 steps
  EXPECT_EQ(misfit(BenchTest::prompt(129), limits), "it needs max_seq_len 129, and there are 128");
  EXPECT_EQ(misfit(BenchTest::atDepth(64, 64), limits), "");
  EXPECT_EQ(misfit(BenchTest::atDepth(64, 65), limits),
            "it needs max_seq_len 129, and there are 128");
  EXPECT_EQ(misfit(BenchTest::batched(8, 9), limits), "it needs max_batch 9, and there are 8");
  EXPECT_EQ(misfit(BenchTest::batched(8, 8), limits), ""); // a block each
  EXPECT_EQ(misfit(BenchTest::batched(16, 8), limits), "it needs kv_blocks 16, and there are 12");
}

TEST(BenchRuns, AreHeldToWhatTheMachineDoes) {
  BenchRun run{.seconds = 2, .tokens = 100, .readGbPerS = 10, .multiplyTflops = 1, .int8Tops = 4};
  run.bytesRead = 5e9;
  run.work.productFlops = 1e12;
  EXPECT_DOUBLE_EQ(run.tokensPerS(), 50);
  EXPECT_DOUBLE_EQ(run.gbPerS(), 2.5);
  EXPECT_DOUBLE_EQ(run.ofRead(), 0.25);
  EXPECT_DOUBLE_EQ(run.tflops(), 0.5);
  EXPECT_DOUBLE_EQ(run.ofMultiply(), 0.5);
  // Products of int8 could be four times as fast.
  run.work.int8Flops = 1e12;
  EXPECT_DOUBLE_EQ(run.ofMultiply(), 0.125);
}

} // namespace
} // namespace vinci
