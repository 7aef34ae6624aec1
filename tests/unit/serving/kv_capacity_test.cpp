#include "runtime/serving/kv_capacity.h"

#include "runtime/serving/scheduler_mindie.h"
#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

using test::messageOf;

/// QwQ-32B, one of four ranks.
constexpr KvGeometry qwq = {.layers = 64, .kvHeads = 2, .headDim = 128};

TEST(KvCapacity, IsThatOfTheManual) {
  EXPECT_EQ(qwq.bytesPerBlock(), 8388608u);
  EXPECT_EQ(qwq.blocksIn(35), 4480u);
  EXPECT_EQ(qwq.blocksIn(35) * qwq.blockSize, 573440u);
  EXPECT_EQ(blocksPerRequest(2048, 512, 128), 20u);
  EXPECT_EQ(qwq.blocksIn(35) / blocksPerRequest(2048, 512, 128), 224u);
  EXPECT_EQ(qwq.blocksIn(8), 1024u);
  EXPECT_EQ(qwq.blocksIn(8) / blocksPerRequest(2048, 512, 128), 51u);
}

TEST(KvCapacity, CountsInputAndOutputApart) {
  EXPECT_EQ(blocksPerRequest(1, 1, 128), 2u);
  EXPECT_EQ(blocksPerRequest(129, 128, 128), 3u);
}

TEST(KvCapacity, RefusesMemoryWithoutABlock) {
  EXPECT_EQ(messageOf([] { qwq.blocksIn(0.001); }),
            "0.001 GiB for the KV cache are 0 blocks of 8388608 bytes; 1 to 2147483647 blocks are "
            "expected");
}

TEST(KvCapacity, LeavesWhatNothingElseTakes) {
  EXPECT_DOUBLE_EQ(kvGibLeft({64, 0.8, 15, 4.2}), 32);
  // vLLM-MindSpore on the Duo card, as published.
  EXPECT_EQ(
      messageOf([] {
        kvGibLeft({40, 0.7, 30, 0});
      }),
      "no memory is left for the KV cache: 0.7 of 40 GiB are 28 GiB, of which weights take 30 "
      "and everything else 0");
}

TEST(KvCapacity, OfMindie) {
  MindieSettings settings;
  settings.npuMemSize = 35;
  EXPECT_EQ(kvPool(settings, qwq).deviceBlocks, 4480u);
  EXPECT_EQ(kvPool(settings, qwq).hostBlocks, 0u) << "nothing is ever swapped out";
  settings.maxPreemptCount = 1;
  EXPECT_EQ(kvPool(settings, qwq).hostBlocks, 640u);
  settings.cpuMemSize = 1;
  EXPECT_EQ(kvPool(settings, qwq).hostBlocks, 128u);
  settings.cacheBlockSize = 64;
  EXPECT_EQ(kvPool(settings, qwq).deviceBlocks, 8960u);
  settings.npuMemSize = -1;
  EXPECT_EQ(kvPool(settings, qwq, DeviceMemory{64, 0.8, 15, 4.2}).deviceBlocks, 8192u);
  EXPECT_EQ(messageOf([&] { kvPool(settings, qwq); }),
            "npuMemSize is -1, but the device's memory is not known; GiB above 0 are expected");
}

} // namespace
} // namespace vinci
