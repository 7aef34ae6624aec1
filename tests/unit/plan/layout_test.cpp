#include "runtime/plan/layout.h"

#include <array>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using Shape = std::vector<uint64_t>;

TEST(Layout, CheckedArithmeticStopsAtTheLargestSize) {
  EXPECT_EQ(checkedMul(1u << 20, 1u << 20), uint64_t(1) << 40);
  EXPECT_EQ(checkedMul(uint64_t(1) << 24, uint64_t(1) << 24), std::nullopt);
  EXPECT_EQ(checkedMul(~uint64_t(0), ~uint64_t(0)), std::nullopt);
  EXPECT_EQ(checkedMul(~uint64_t(0), 0), 0u);
  EXPECT_EQ(checkedAdd(maxSize - 2, 1), maxSize - 1);
  EXPECT_EQ(checkedAdd(maxSize - 1, 1), std::nullopt);
  EXPECT_EQ(checkedAdd(~uint64_t(0), 1), std::nullopt);
}

TEST(Layout, ElementCount) {
  EXPECT_EQ(elementCount(Shape{}), 1u);
  EXPECT_EQ(elementCount(Shape{2, 3, 4}), 24u);
  EXPECT_EQ(elementCount(Shape{2, 0}), 0u);
  // Zero does not hide an absurd size, wherever it stands.
  EXPECT_EQ(elementCount(Shape{0, uint64_t(1) << 40, uint64_t(1) << 40}), std::nullopt);
  EXPECT_EQ(elementCount(Shape{uint64_t(1) << 40, uint64_t(1) << 40, 0}), std::nullopt);
}

TEST(Layout, PackedBytes) {
  using fb::Packing;
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::BFloat16, Packing::Rows), 40u * 70 * 2);
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::BFloat16, Packing::Panel32), 64u * 96 * 2);
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::Float32, Packing::Panel32), 64u * 96 * 4);
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::Float32, Packing::Panel32, 3), 3u * 64 * 96 * 4);
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::Int8, Packing::Panel32), 64u * 128);
  // 64 bytes more for each panel: tables of 32, and 3 for the steps of K; from 33 steps on 128.
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::BFloat16, Packing::Panel12), 64u * 96 * 2 + 2 * 64);
  EXPECT_EQ(packedBytes(Shape{32, 1025}, DType::BFloat16, Packing::Panel12, 3),
            3u * (32 * 1056 * 2 + 128));
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::Float32, Packing::Panel12), std::nullopt);
  EXPECT_EQ(packedBytes(Shape{40}, DType::BFloat16, Packing::Panel12), std::nullopt);
  EXPECT_EQ(packedBytes(Shape{40, 64}, DType::Int8, Packing::Panel32, 3), 3u * 64 * 64);
  EXPECT_EQ(packedBytes(Shape{40, 70}, DType::Int8, Packing::Rows), 40u * 70);
  EXPECT_EQ(packedBytes(Shape{40}, DType::Float32, Packing::Panel32), std::nullopt);
  EXPECT_EQ(packedBytes(Shape{maxSize - 1, 0}, DType::Float32, Packing::Panel32), 0u);
  EXPECT_EQ(packedBytes(Shape{1 << 24, 1 << 23}, DType::Float32, Packing::Rows), std::nullopt);
}

TEST(Layout, KvBlockBytes) {
  EXPECT_EQ(kvBlockBytes(2, 16, 128, DType::BFloat16), 2u * 2 * 16 * 128 * 2);
  EXPECT_EQ(kvBlockBytes(2, 20, 128, DType::Float32), 2u * 2 * 32 * 128 * 4);
  EXPECT_EQ(kvBlockBytes(1, ~uint64_t(0), 16, DType::Float32), std::nullopt);
  EXPECT_EQ(kvBlockBytes(1 << 20, 1 << 20, 1 << 20, DType::Float32), std::nullopt);
}

} // namespace
} // namespace vinci
