#include "frontend/limits.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

ModelSpec modelOf(int64_t positions) {
  ModelSpec spec;
  spec.maxPositionEmbeddings = positions;
  return spec;
}

TEST(Limits, HaveDefaults) {
  Limits limits = defaultLimits(modelOf(40960));
  EXPECT_EQ(limits.maxSeqLen, 40960);
  EXPECT_EQ(limits.maxTokensPerStep, 512);
  EXPECT_EQ(limits.maxBatch, 16);
  EXPECT_EQ(limits.blockSize, 128);
  EXPECT_EQ(limits.kvBlocks, 320 + 16 * 8);
  EXPECT_EQ(limits.maxBlocksPerSequence(), 320);
}

TEST(Limits, FitShortModels) {
  Limits limits = defaultLimits(modelOf(100));
  EXPECT_EQ(limits.maxTokensPerStep, 100);
  EXPECT_EQ(limits.kvBlocks, 1 + 16);
  EXPECT_EQ(defaultLimits(modelOf(5)).maxTokensPerStep, 16); // a token of each sequence
}

TEST(Limits, FollowTheRequest) {
  Limits limits =
      resolveLimits(modelOf(2048), {.maxSeqLen = 1000, .maxBatch = 600, .blockSize = 16});
  EXPECT_EQ(limits.maxSeqLen, 1000);
  EXPECT_EQ(limits.maxTokensPerStep, 600);
  EXPECT_EQ(limits.maxBlocksPerSequence(), 63);
  EXPECT_EQ(limits.kvBlocks, 63 + 600 * 63);
  EXPECT_EQ(resolveLimits(modelOf(2048), {.kvBlocks = 16}).kvBlocks, 16);
}

TEST(Limits, RefuseWhatCannotBe) {
  struct Case {
    RequestedLimits request;
    const char *message;
  };
  const Case cases[] = {
      {{.maxSeqLen = 0},
       "error: --max-seq-len is 0; an integer from 1 to 2048 (max_position_embeddings) is "
       "expected"},
      {{.maxSeqLen = 2049},
       "error: --max-seq-len is 2049; an integer from 1 to 2048 (max_position_embeddings) is "
       "expected"},
      {{.maxBatch = 5000}, "error: --max-batch is 5000; an integer from 1 to 4096 is expected"},
      {{.maxTokensPerStep = 8},
       "error: --max-tokens-per-step is 8; an integer from 16 to 1048576 (from max-batch on) is "
       "expected"},
      {{.blockSize = 100}, "error: --block-size is 100; a multiple of 16 is expected"},
      {{.blockSize = 8}, "error: --block-size is 8; an integer from 16 to 1024 is expected"},
      {{.blockSize = 2048}, "error: --block-size is 2048; an integer from 16 to 1024 is expected"},
      {{.kvBlocks = 15},
       "error: --kv-blocks is 15; an integer from 16 to 16777215 (from one sequence of max-seq-len "
       "on) is expected"},
      {{.kvBlocks = std::numeric_limits<int64_t>::max()},
       "error: --kv-blocks is 9223372036854775807; an integer from 16 to 16777215 (from one "
       "sequence of max-seq-len on) is expected"},
  };
  for (const Case &test : cases) {
    try {
      resolveLimits(modelOf(2048), test.request);
      ADD_FAILURE() << "accepted: " << test.message;
    } catch (const Error &error) {
      EXPECT_STREQ(error.what(), test.message);
    }
  }
}

} // namespace
} // namespace vinci
