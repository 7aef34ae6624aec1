#include "runtime/device/memory_budget.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

constexpr uint64_t gib = uint64_t(1) << 30;

/// Blocks of 1 GiB make for plain numbers.
MemoryDemand demand() {
  return {.weights = 16 * gib,
          .activations = 2 * gib,
          .graphPool = gib / 2,
          .collectiveBuffers = gib / 2,
          .bytesPerKvBlock = gib,
          .blockSize = 128,
          .planKvBlocks = 10};
}

MemoryRule rule() {
  MemoryRule rule;
  rule.device = "npu";
  rule.capacity = 64 * gib;
  rule.usable = 61 * gib;
  return rule;
}

TEST(MemoryBudget, TheCacheGetsWhatIsLeft) {
  const MemoryBudget budget = budgetOf(rule(), demand());
  EXPECT_TRUE(budget.fits());
  EXPECT_EQ(budget.capacity, 61 * gib);
  EXPECT_EQ(budget.kvBlocks, 42u);
  EXPECT_EQ(budget.kvTokens, 42u * 128);
  EXPECT_EQ(budget.used(), 61 * gib);
  EXPECT_EQ(budget.rule, "61.00 GiB of the device less all else");
  EXPECT_EQ(budget.sum(), "weights 16.00 GiB + activations 2.00 GiB + graph pool 0.50 GiB + "
                          "collective buffers 0.50 GiB + KV cache 42.00 GiB = 61.00 GiB of 61.00 "
                          "GiB");
}

TEST(MemoryBudget, AShareOfTheDeviceAndALimit) {
  MemoryRule share = rule();
  share.utilization = 0.5;
  EXPECT_EQ(budgetOf(share, demand()).kvBlocks, 13u);
  share.limitGib = 30;
  EXPECT_EQ(budgetOf(share, demand()).kvBlocks, 11u);
  share.deviceGib = 50;
  EXPECT_EQ(budgetOf(share, demand()).kvBlocks, 6u);
  share.utilization.reset();
  share.limitGib.reset();
  EXPECT_EQ(budgetOf(share, demand()).kvBlocks, 31u);
}

TEST(MemoryBudget, ASizeForTheCache) {
  MemoryRule given = rule();
  given.kvGib = 8.5;
  EXPECT_EQ(budgetOf(given, demand()).kvBlocks, 8u);
  EXPECT_EQ(budgetOf(given, demand()).rule, "8.50 GiB as the deployment says");
  given.kvGib = -1; // MindIE: all that is left
  EXPECT_EQ(budgetOf(given, demand()).kvBlocks, 42u);
  given.kvGib = 0;
  EXPECT_EQ(budgetOf(given, demand()).problem,
            "memory.kv_gib is 0, less than a block of the KV cache, 1.00 GiB");
  given.kvGib = 43;
  EXPECT_EQ(budgetOf(given, demand()).problem,
            "the model does not fit npu: weights 16.00 GiB + activations 2.00 GiB + graph pool "
            "0.50 GiB + collective buffers 0.50 GiB + KV cache 43.00 GiB = 62.00 GiB of 61.00 GiB");
  given.kvBlocks = 7; // asked for: it wins
  EXPECT_EQ(budgetOf(given, demand()).kvBlocks, 7u);
  EXPECT_EQ(budgetOf(given, demand()).rule, "7 blocks as asked for");
}

TEST(MemoryBudget, AReserveForAllElse) {
  MemoryRule reserve = rule();
  reserve.nonKvGib = 32;
  EXPECT_EQ(budgetOf(reserve, demand()).kvBlocks, 32u);
  EXPECT_EQ(budgetOf(reserve, demand()).warning, "");
  // Less than nothing, but there is room: a warning, and the plan's blocks as far as they go.
  reserve.nonKvGib = 70;
  MemoryBudget budget = budgetOf(reserve, demand());
  EXPECT_TRUE(budget.fits());
  EXPECT_EQ(budget.kvBlocks, 10u);
  EXPECT_EQ(budget.warning, "the deployment's memory for the KV cache is -6.00 GiB: 64.00 GiB of "
                            "the device less 70.00 GiB for all else; 10 blocks of what is left are "
                            "used");
  reserve.deviceGib = 25;
  budget = budgetOf(reserve, demand());
  EXPECT_EQ(budget.kvBlocks, 6u);
  EXPECT_TRUE(budget.fits());
  reserve.deviceGib = 10;
  EXPECT_FALSE(budgetOf(reserve, demand()).fits());
}

TEST(MemoryBudget, OneDeviceTakesWholeMasks) {
  EXPECT_EQ(attentionMaskBytes("310p3", 1000, 8192), 2u * 1000 * 8192);
  EXPECT_EQ(attentionMaskBytes("910b3", 1000, 8192), 0u);
}

TEST(MemoryBudget, NoRoomForABlock) {
  MemoryRule small = rule();
  small.deviceGib = 18;
  EXPECT_EQ(
      budgetOf(small, demand()).problem,
      "the model does not fit npu: weights 16.00 GiB + activations 2.00 GiB + graph pool "
      "0.50 GiB + collective buffers 0.50 GiB = 19.00 GiB of 18.00 GiB, which leaves no block "
      "of 1.00 GiB for the KV cache");
}

} // namespace
} // namespace vinci
