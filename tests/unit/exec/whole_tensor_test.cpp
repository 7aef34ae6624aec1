// Shards side by side, replicas, and errors between tensors.
#include "runtime/exec/whole_tensor.h"

#include "runtime/support/half.h"

#include <gtest/gtest.h>
#include <limits>

namespace vinci {
namespace {

using Values = std::vector<double>;

/// A shard of columns in a flatbuffer of its own.
struct Shard {
  Shard(std::vector<uint32_t> axes, uint32_t parts) {
    builder.Finish(fb::CreateShardDirect(builder, fb::ShardKind::Rows, &axes, parts));
  }
  const fb::Shard *get() const {
    return flatbuffers::GetRoot<fb::Shard>(builder.GetBufferPointer());
  }
  flatbuffers::FlatBufferBuilder builder;
};

PlanTensor tensorOf(uint64_t columns, const fb::Shard *shard, DType dtype = DType::Float32) {
  PlanTensor tensor;
  tensor.dtype = dtype;
  tensor.columns = tensor.rowColumns = columns;
  tensor.shard = shard;
  return tensor;
}

TEST(WholeTensor, IsRankZeroWhereAllHaveIt) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const WholeTensor whole =
      gatherTensor(tensorOf(3, nullptr), Mesh({2}), 2, std::vector<const void *>{values, values});
  EXPECT_EQ(whole.values, (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(whole.replicas);
}

TEST(WholeTensor, HasColumnsSideBySideAndReplicasOnce) {
  // Two KV heads on four ranks; two tokens.
  const float first[] = {1, 2, 5, 6}, second[] = {3, 4, 7, 8}, other[] = {3, 4, 7, 9.5};
  const Shard shard({0}, 2);
  std::vector<const void *> ofRanks = {first, first, second, second};
  const WholeTensor whole = gatherTensor(tensorOf(2, shard.get()), Mesh({4}), 2, ofRanks);
  EXPECT_EQ(whole.columns, 4u);
  EXPECT_EQ(whole.values, (Values{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_FALSE(whole.replicas);

  ofRanks[3] = other;
  const WholeTensor broken = gatherTensor(tensorOf(2, shard.get()), Mesh({4}), 2, ofRanks);
  EXPECT_EQ(broken.values, whole.values);
  ASSERT_TRUE(broken.replicas);
  EXPECT_EQ(broken.replicas->rank, 2u);
  EXPECT_EQ(broken.replicas->other, 3u);
  EXPECT_EQ(broken.replicas->error.max, 1.5);
}

TEST(WholeTensor, TakesItsColumnsOfAConcatenation) {
  const float first[] = {1, 2, 3, 4, 5, 6}, second[] = {7, 8, 9, 10, 11, 12};
  PlanTensor tensor = tensorOf(2, nullptr);
  tensor.firstColumn = 1;
  tensor.rowColumns = 3;
  const std::vector<const void *> ofRanks = {first, second};
  const WholeTensor whole = gatherTensor(tensor, Mesh({2}), 2, ofRanks);
  EXPECT_EQ(whole.values, (Values{2, 3, 5, 6}));
  ASSERT_TRUE(whole.replicas);
  EXPECT_EQ(whole.replicas->error.max, 6);
}

TEST(WholeTensor, FollowsTheMesh) {
  const float values[] = {10, 20, 30, 40};
  std::vector<const void *> ofRanks = {values, values + 1, values, values + 1};
  const Shard shard({1}, 2);
  const WholeTensor whole = gatherTensor(tensorOf(1, shard.get()), Mesh({2, 2}), 1, ofRanks);
  EXPECT_EQ(whole.values, (Values{10, 20}));
  EXPECT_FALSE(whole.replicas);
}

TEST(WholeTensor, TakesEveryType) {
  const uint16_t bfloat16[] = {bfloat16OfFloat(1.5)}, float16[] = {float16OfFloat(-0.25)};
  const int32_t int32[] = {1 << 30};
  const int8_t int8[] = {-7};
  auto value = [](const void *data, DType type) {
    return gatherTensor(tensorOf(1, nullptr, type), Mesh(std::vector<uint32_t>()), 1,
                        std::vector{data})
        .values[0];
  };
  EXPECT_EQ(value(bfloat16, DType::BFloat16), 1.5);
  EXPECT_EQ(value(float16, DType::Float16), -0.25);
  EXPECT_EQ(value(int32, DType::Int32), 1 << 30);
  EXPECT_EQ(value(int8, DType::Int8), -7);
}

WholeTensor whole(uint64_t columns, Values values, uint32_t parts = 1) {
  return {values.size() / columns, columns, parts, values, {}};
}

TEST(TensorError, MeasuresAgainstTheLargestValue) {
  const auto error = errorBetween(whole(2, {1, -8, 2, 4}), whole(2, {1, -6, 2, 3}));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->max, 2);
  EXPECT_EQ(error->mean, 0.75);
  EXPECT_EQ(error->largest, 8);
  EXPECT_EQ(error->relative(), 0.25);
  EXPECT_FALSE(error->sameBits);
  EXPECT_TRUE(errorBetween(whole(2, {1, 2}), whole(2, {1, 2}))->sameBits);
}

TEST(TensorError, IsInfiniteWhereOnlyOneSideIsANumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(errorBetween(whole(2, {nan, infinity}), whole(2, {nan, infinity}))->sameBits);
  EXPECT_EQ(errorBetween(whole(1, {nan}), whole(1, {1}))->max, infinity);
  EXPECT_EQ(errorBetween(whole(1, {1}), whole(1, {infinity}))->relative(), infinity);
  EXPECT_EQ(errorBetween(whole(1, {0}), whole(1, {1}))->relative(), infinity);
}

TEST(TensorError, AllowsPaddingOfTheLastPartOnly) {
  // Five columns in two parts of three.
  const auto error =
      errorBetween(whole(5, {1, 2, 3, 4, 5}), whole(6, {1, 2, 3, 4, 7, 0}, /*parts=*/2));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->max, 2);
  EXPECT_FALSE(errorBetween(whole(4, {1, 2, 3, 4}), whole(6, {1, 2, 3, 4, 5, 6}, 2)));
  EXPECT_FALSE(errorBetween(whole(2, {1, 2}), whole(2, {1, 2, 3, 4})));
}

} // namespace
} // namespace vinci
