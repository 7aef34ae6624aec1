#include "runtime/serving/kv_blocks.h"

#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

using test::messageOf;
using Blocks = std::vector<int32_t>;

TEST(KvBlocks, CountsAndGivesLowNumbersFirst) {
  KvBlocks blocks(4);
  EXPECT_EQ(blocks.total(), 4u);
  Blocks a, b;
  EXPECT_TRUE(blocks.allocate(3, a));
  EXPECT_EQ(a, (Blocks{0, 1, 2}));
  EXPECT_EQ(blocks.available(), 1u);
  EXPECT_FALSE(blocks.allocate(2, b));
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(blocks.available(), 1u) << "nothing was taken";
  blocks.free(std::span(a).first(2));
  EXPECT_TRUE(blocks.allocate(3, b));
  EXPECT_EQ(b, (Blocks{1, 0, 3}));
  EXPECT_TRUE(blocks.allocate(0, b));
  EXPECT_EQ(blocks.counters().mostInUse, 4u);
}

TEST(KvBlocks, RefusesToTakeBackWhatIsNotInUse) {
  KvBlocks blocks(2);
  Blocks taken;
  blocks.allocate(1, taken);
  blocks.free(taken);
  EXPECT_EQ(messageOf([&] { blocks.free(taken); }), "KV block 0 is given back, but not in use");
  for (int32_t block : {-1, 2}) {
    Blocks outside = {block};
    EXPECT_EQ(messageOf([&] { blocks.free(outside); }),
              "KV block " + std::to_string(block) + " is given back, but not in use");
  }
}

TEST(KvBlocks, ABlockIsInUseUntilTheLastReferenceIsDropped) {
  KvBlocks blocks(2);
  Blocks taken;
  blocks.allocate(1, taken);
  blocks.share(0);
  EXPECT_EQ(blocks.references(0), 2u);
  blocks.free(taken);
  EXPECT_EQ(blocks.available(), 1u);
  blocks.free(taken);
  EXPECT_EQ(blocks.available(), 2u);
  EXPECT_EQ(messageOf([&] { blocks.share(0); }), "KV block 0 is shared, but holds nothing");
}

TEST(KvBlocks, KeepsContentsUntilTheSpaceIsNeeded) {
  KvBlocks blocks(3);
  Blocks taken, others;
  blocks.allocate(2, taken);
  blocks.remember(0, 100);
  blocks.remember(1, 101);
  EXPECT_EQ(blocks.find(101), 1);
  blocks.free(taken);
  EXPECT_EQ(blocks.available(), 3u);
  EXPECT_TRUE(blocks.isKept(0));
  EXPECT_EQ(blocks.find(100), 0);

  blocks.share(0);
  EXPECT_EQ(blocks.available(), 2u);
  blocks.free(std::span(taken).first(1));

  // First the free one, then what was used longest ago; a sequence's end before its beginning.
  EXPECT_TRUE(blocks.allocate(2, others));
  EXPECT_EQ(others, (Blocks{2, 1}));
  EXPECT_EQ(blocks.find(101), std::nullopt);
  EXPECT_EQ(blocks.find(100), 0);
  EXPECT_EQ(blocks.counters().evicted, 1u);
  EXPECT_TRUE(blocks.allocate(1, others));
  EXPECT_EQ(blocks.find(100), std::nullopt);
  blocks.free(others);
  EXPECT_EQ(blocks.available(), 3u);
}

TEST(KvBlocks, RemembersContentsOnce) {
  KvBlocks blocks(3);
  Blocks taken;
  blocks.allocate(2, taken);
  blocks.remember(0, 100);
  blocks.remember(1, 100); // the same again: the first one stays the one that is found
  EXPECT_EQ(blocks.find(100), 0);
  EXPECT_EQ(messageOf([&] { blocks.remember(0, 7); }),
            "KV block 0 cannot be given contents: it is known already");
  EXPECT_EQ(messageOf([&] { blocks.remember(2, 7); }),
            "KV block 2 cannot be given contents: it is not in use");
  blocks.free(taken);
  EXPECT_EQ(blocks.available(), 3u);
}

TEST(KvBlocks, SwapsBetweenPools) {
  KvBlocks device(4), host(2);
  Blocks taken, moved;
  device.allocate(3, taken);
  EXPECT_FALSE(device.swapTo(host, taken, moved));
  EXPECT_TRUE(moved.empty());
  EXPECT_EQ(device.available(), 1u);
  EXPECT_TRUE(device.swapTo(host, std::span(taken).first(2), moved));
  EXPECT_EQ(moved, (Blocks{0, 1}));
  EXPECT_EQ(device.available(), 3u);
  EXPECT_EQ(host.available(), 0u);
  EXPECT_EQ(device.counters().movedOut, 2u);
  EXPECT_EQ(host.counters().movedIn, 2u);
}

TEST(KvBlocks, NamesOfContentsDependOnEverythingBefore) {
  const Blocks ids = {1, 2, 3, 4, 5};
  const std::vector<uint64_t> hashes = hashBlocks(ids, 2);
  ASSERT_EQ(hashes.size(), 2u) << "full blocks only";
  EXPECT_EQ(hashBlocks(std::span(ids).first(2), 2)[0], hashes[0]);
  EXPECT_NE(hashBlocks(std::span(ids).subspan(2), 2)[0], hashes[1]);
  EXPECT_NE(hashes[0], hashes[1]);
}

} // namespace
} // namespace vinci
