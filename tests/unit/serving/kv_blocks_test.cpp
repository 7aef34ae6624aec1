#include "runtime/serving/kv_blocks.h"

#include "tests/unit/serving/toy_model.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using test::messageOf;

TEST(KvBlocks, CountsAndGivesLowNumbersFirst) {
  KvBlocks blocks(4);
  EXPECT_EQ(blocks.total(), 4u);
  std::vector<int32_t> a, b;
  EXPECT_TRUE(blocks.allocate(3, a));
  EXPECT_EQ(a, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(blocks.available(), 1u);
  EXPECT_FALSE(blocks.allocate(2, b));
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(blocks.available(), 1u) << "nothing was taken";
  blocks.free(std::span(a).first(2));
  EXPECT_TRUE(blocks.allocate(3, b));
  EXPECT_EQ(b, (std::vector<int32_t>{1, 0, 3}));
  EXPECT_TRUE(blocks.allocate(0, b));
}

TEST(KvBlocks, RefusesToTakeBackWhatIsNotInUse) {
  KvBlocks blocks(2);
  std::vector<int32_t> taken;
  blocks.allocate(1, taken);
  blocks.free(taken);
  EXPECT_EQ(messageOf([&] { blocks.free(taken); }), "KV block 0 is given back, but not in use");
  for (int32_t block : {-1, 2}) {
    std::vector<int32_t> outside = {block};
    EXPECT_EQ(messageOf([&] { blocks.free(outside); }),
              "KV block " + std::to_string(block) + " is given back, but not in use");
  }
}

} // namespace
} // namespace vinci
