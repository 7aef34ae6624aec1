#include "runtime/weights/packing.h"
#include "runtime/weights/panel12.h"

#include "runtime/support/half.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <vector>

namespace vinci {
namespace {

template <typename T> const std::byte *bytes(const std::vector<T> &values) {
  return reinterpret_cast<const std::byte *>(values.data());
}
template <typename T> std::byte *bytes(std::vector<T> &values) {
  return reinterpret_cast<std::byte *>(values.data());
}

std::vector<uint16_t> allHalves() {
  std::vector<uint16_t> values(65536);
  for (uint32_t i = 0; i < 65536; ++i)
    values[i] = uint16_t(i);
  return values;
}

/// Equal bits, or both NaN.
void expectSameFloat(float found, float expected, uint32_t input) {
  if (std::isnan(expected))
    EXPECT_TRUE(std::isnan(found)) << input;
  else
    EXPECT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(expected)) << input;
}

TEST(Packing, EveryFloat16AndBFloat16BecomesItsFloat) {
  std::vector<uint16_t> halves = allHalves();
  std::vector<float> floats(halves.size());
  EXPECT_EQ(convertElements(bytes(halves), DType::Float16, bytes(floats), DType::Float32, 65536),
            CastLoss());
  for (uint32_t i = 0; i < 65536; ++i)
    expectSameFloat(floats[i], floatOfFloat16(uint16_t(i)), i);
  EXPECT_EQ(convertElements(bytes(halves), DType::BFloat16, bytes(floats), DType::Float32, 65536),
            CastLoss());
  for (uint32_t i = 0; i < 65536; ++i)
    expectSameFloat(floats[i], floatOfBFloat16(uint16_t(i)), i);
}

/// Floats that are hard to round: all halves, the points half-way between neighbours, one bit to
/// either side of those, and random ones.
std::vector<float> hardFloats() {
  std::vector<float> values;
  auto addAround = [&](float value) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    for (uint32_t near : {bits - 1, bits, bits + 1})
      values.push_back(std::bit_cast<float>(near));
  };
  for (uint32_t i = 0; i < 65536; ++i) {
    addAround(floatOfFloat16(uint16_t(i)));
    addAround(floatOfBFloat16(uint16_t(i)));
    addAround(std::bit_cast<float>((i << 16) | 0x8000));
    if ((i & 0x7c00) != 0x7c00)
      addAround((floatOfFloat16(uint16_t(i)) + floatOfFloat16(uint16_t(i + 1))) / 2);
  }
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i)
    values.push_back(std::bit_cast<float>(uint32_t(random())));
  return values;
}

TEST(Packing, FloatsRoundToNearestEven) {
  std::vector<float> floats = hardFloats();
  std::vector<uint16_t> found(floats.size());
  convertElements(bytes(floats), DType::Float32, bytes(found), DType::BFloat16, floats.size());
  for (size_t i = 0; i < floats.size(); ++i)
    ASSERT_EQ(found[i], bfloat16OfFloat(floats[i])) << std::bit_cast<uint32_t>(floats[i]);
  convertElements(bytes(floats), DType::Float32, bytes(found), DType::Float16, floats.size());
  for (size_t i = 0; i < floats.size(); ++i)
    ASSERT_EQ(found[i], float16OfFloat(floats[i])) << std::bit_cast<uint32_t>(floats[i]);
}

TEST(Packing, OverflowsAreCounted) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> floats = {1, 65504, 65519, 65520, -1e6f, infinity, NAN, 3.4e38f};
  std::vector<uint16_t> halves(floats.size());
  EXPECT_EQ(
      convertElements(bytes(floats), DType::Float32, bytes(halves), DType::Float16, floats.size()),
      (CastLoss{3, 0}));
  EXPECT_EQ(halves[2], 0x7bff);
  EXPECT_EQ(halves[3], 0x7c00);
  EXPECT_EQ(
      convertElements(bytes(floats), DType::Float32, bytes(halves), DType::BFloat16, floats.size()),
      (CastLoss{1, 0})); // 3.4e38 is beyond bfloat16's largest
  std::vector<uint16_t> wide = {bfloat16OfFloat(1e5f), bfloat16OfFloat(1.0f)}, narrow(2);
  EXPECT_EQ(convertElements(bytes(wide), DType::BFloat16, bytes(narrow), DType::Float16, 2),
            (CastLoss{1, 0}));
  EXPECT_EQ(narrow[1], 0x3c00);
}

TEST(Packing, UnderflowsToFloat16AreCounted) {
  const float half = 0x1p-25f; // half of the least subnormal: a tie, to even, which is zero
  std::vector<float> floats = {0,      -0.0f,  half,     -half, std::nextafter(half, 1.0f),
                               1e-30f, 1e-45f, 0x1p-24f, 6e-5f, INFINITY,
                               NAN};
  std::vector<uint16_t> halves(floats.size());
  auto convertTo = [&](DType type) {
    return convertElements(bytes(floats), DType::Float32, bytes(halves), type, floats.size());
  };
  EXPECT_EQ(convertTo(DType::BFloat16).underflows, 0u);
  EXPECT_EQ(convertTo(DType::Float16), (CastLoss{0, 4}));
  EXPECT_EQ(halves[3], 0x8000);
  EXPECT_EQ(halves[4], 1);
  std::vector<uint16_t> small = {bfloat16OfFloat(1e-9f), bfloat16OfFloat(1.0f)}, narrow(2);
  EXPECT_EQ(convertElements(bytes(small), DType::BFloat16, bytes(narrow), DType::Float16, 2),
            (CastLoss{0, 1}));
}

TEST(Packing, LossesOfAllThreadsAreAddedUp) {
  const uint64_t rows = 1000, columns = 1200; // more than one piece of work, and of a counter
  std::vector<float> weights(rows * columns, 1.0f);
  for (size_t i = 0; i < weights.size(); i += 100)
    weights[i] = 1e-20f, weights[i + 7] = -1e20f, weights[i + 9] = 1e20f;
  std::vector<uint16_t> halves(1024 * 1216);
  const std::array<uint64_t, 2> shape = {rows, columns};
  for (fb::Packing packing : {fb::Packing::Rows, fb::Packing::Panel32})
    EXPECT_EQ(packTensor(wholeTensor(bytes(weights), DType::Float32, shape), bytes(halves),
                         DType::Float16, packing),
              (CastLoss{24000, 12000}));
}

TEST(Packing, DataNeedNotBeAligned) {
  std::vector<char> raw(9);
  float value = 1.5f;
  std::memcpy(raw.data() + 1, &value, sizeof value);
  std::vector<uint16_t> half(1);
  convertElements(bytes(raw) + 1, DType::Float32, bytes(half), DType::Float16, 1);
  EXPECT_EQ(half[0], 0x3e00);
}

TEST(Packing, IntegersStayAndInt8BecomesAnyFloat) {
  std::vector<int8_t> small(256), copy(256);
  for (int i = 0; i < 256; ++i)
    small[i] = int8_t(i - 128);
  EXPECT_EQ(convertElements(bytes(small), DType::Int8, bytes(copy), DType::Int8, 256), CastLoss());
  EXPECT_EQ(copy, small);
  std::vector<float> floats(256);
  std::vector<uint16_t> halves(256);
  EXPECT_EQ(convertElements(bytes(small), DType::Int8, bytes(floats), DType::Float32, 256),
            CastLoss());
  EXPECT_EQ(convertElements(bytes(small), DType::Int8, bytes(halves), DType::Float16, 256),
            CastLoss());
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(floats[i], float(i - 128));
    EXPECT_EQ(floatOfFloat16(halves[i]), float(i - 128));
  }
  std::vector<int32_t> wide = {0, -1, 2147483647, -2147483647 - 1}, same(4);
  convertElements(bytes(wide), DType::Int32, bytes(same), DType::Int32, 4);
  EXPECT_EQ(same, wide);
}

struct Shape {
  uint64_t n, k;
};

class Panel32 : public testing::TestWithParam<Shape> {};

TEST_P(Panel32, ElementsLieWhereTheFormulaSays) {
  auto [n, k] = GetParam();
  const uint64_t paddedK = (k + 31) / 32 * 32, paddedN = (n + 31) / 32 * 32;
  std::vector<float> weights(n * k);
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = float(i % 251) + 1; // exact in bfloat16, never zero
  std::vector<float> floats(paddedN * paddedK, -1);
  std::vector<uint16_t> halves(paddedN * paddedK, 0xffff);
  const std::array<uint64_t, 2> shape = {n, k};
  EXPECT_EQ(packedBytes(shape, DType::Float32, fb::Packing::Panel32), floats.size() * 4);
  const TensorSlice tensor = wholeTensor(bytes(weights), DType::Float32, shape);
  packTensor(tensor, bytes(floats), DType::Float32, fb::Packing::Panel32);
  packTensor(tensor, bytes(halves), DType::BFloat16, fb::Packing::Panel32);
  uint64_t zeros = 0;
  for (uint64_t row = 0; row < paddedN; ++row)
    for (uint64_t column = 0; column < paddedK; ++column) {
      float expected = row < n && column < k ? weights[row * k + column] : 0;
      zeros += expected == 0;
      uint64_t floatAt = row / 32 * paddedK * 32 + column * 32 + row % 32;
      uint64_t halfAt = (row / 32 * (paddedK / 32) + column / 32) * 1024 + row % 32 / 16 * 512 +
                        column % 32 / 2 * 32 + row % 16 * 2 + column % 2;
      ASSERT_EQ(floats[floatAt], expected) << row << ", " << column;
      ASSERT_EQ(floatOfBFloat16(halves[halfAt]), expected) << row << ", " << column;
    }
  EXPECT_EQ(zeros, paddedN * paddedK - n * k);
}

TEST_P(Panel32, Int8LiesInFours) {
  auto [n, k] = GetParam();
  const uint64_t paddedK = (k + 63) / 64 * 64, paddedN = (n + 31) / 32 * 32;
  std::vector<int8_t> weights(n * k), packed(paddedN * paddedK, 99);
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = int8_t(i % 127 + 1); // never zero
  const std::array<uint64_t, 2> shape = {n, k};
  EXPECT_EQ(packedBytes(shape, DType::Int8, fb::Packing::Panel32), packed.size());
  EXPECT_EQ(packTensor(wholeTensor(bytes(weights), DType::Int8, shape), bytes(packed), DType::Int8,
                       fb::Packing::Panel32),
            CastLoss());
  for (uint64_t row = 0; row < paddedN; ++row)
    for (uint64_t column = 0; column < paddedK; ++column) {
      int8_t expected = row < n && column < k ? weights[row * k + column] : 0;
      uint64_t at = row / 32 * 32 * paddedK + column / 64 * 2048 + row % 32 / 16 * 1024 +
                    column % 64 / 4 * 64 + row % 16 * 4 + column % 4;
      ASSERT_EQ(packed[at], expected) << row << ", " << column;
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Panel32,
                         testing::Values(Shape{1, 1}, Shape{32, 32}, Shape{33, 31}, Shape{40, 70},
                                         Shape{64, 256}, Shape{31, 257}, Shape{80, 600}));

/// Tiles whose exponents have a place take 768 bytes, others stay; the table has the most frequent
/// ones.
TEST(Panel12, TilesStayWhereATableIsTooSmall) {
  constexpr uint64_t n = 40, k = 70; // two panels of three steps
  const std::array<uint64_t, 2> shape = {n, k};
  std::vector<float> weights(n * k);
  for (uint64_t i = 0; i < weights.size(); ++i)
    weights[i] = std::ldexp(float(i % 128) / 128 + 1, int(i % 15)); // and zero, in the padding
  weights[3 * k + 33] =
      -0x1p-100f; // column 3, k 33: the first panel's tile of step 1, columns 0-15
  weights[35 * k + 1] = 0x1p-100f;
  const Panel12Layout layout(n, k);
  ASSERT_EQ(packedBytes(shape, DType::BFloat16, fb::Packing::Panel12), layout.bytes());
  std::vector<std::byte> packed(layout.bytes(), std::byte{99});
  EXPECT_EQ(packTensor(wholeTensor(bytes(weights), DType::Float32, shape), packed.data(),
                       DType::BFloat16, fb::Packing::Panel12),
            CastLoss());
  EXPECT_EQ(countWholeTiles(layout, packed), 2u);
  const std::byte *head = &packed[layout.head(0)];
  EXPECT_EQ(head[0], std::byte{0}); // zero, which is padding's
  for (uint8_t place = 1; place < 16; ++place) {
    EXPECT_EQ(head[place], std::byte((126 + place) >> 1));
    EXPECT_EQ(head[16 + place], std::byte((126 + place) % 2 << 7));
  }
  EXPECT_EQ(head[32], std::byte{0});
  EXPECT_EQ(head[33], std::byte{1});
  EXPECT_EQ(packed[layout.head(1) + 32], std::byte{1});
  for (uint64_t i = 35; i < layout.headBytes(); ++i)
    EXPECT_EQ(head[i], std::byte{0});
  // Column 0 and k 0, 1: the first two values of the first line, 1 and 2 * (1 + 1/128).
  const std::byte *main = packed.data();
  EXPECT_EQ(main[64], std::byte{0});
  EXPECT_EQ(main[65], std::byte{1});
  EXPECT_EQ(main[0] & std::byte{15}, std::byte{1});
  EXPECT_EQ(main[1] & std::byte{15}, std::byte{2});
  // The tile that stayed: column 3 and k 33 is value 7 of its first line.
  uint16_t kept;
  std::memcpy(&kept, main + 2 * panel12MainBytes + 14, 2);
  EXPECT_EQ(floatOfBFloat16(kept), -0x1p-100f);
  // Whose last line, of k 62 and 63, is at the end of its rest.
  std::memcpy(&kept, &packed[layout.rest(0) + 3 * panel12RestBytes - 64], 2);
  EXPECT_EQ(floatOfBFloat16(kept), weights[62]);
}

/// A part of a joined tensor is packed as if it lay there alone.
TEST(Packing, PartsArePackedInPlace) {
  const std::vector<uint64_t> wide = {70, 300}, narrow = {35, 300};
  struct {
    JoinedTensors joined;
    size_t part;
    uint64_t expert;
  } cases[] = {
      {{Layout::Rows, {wide, narrow}, 1, 1}, 1, 0},
      {{Layout::AlternatingRows, {wide, wide}, 1, 1}, 1, 0},
      {{Layout::RowsPerKeyValueHead, {wide, narrow, narrow}, 1, 5}, 0, 0},
      {{Layout::RowsPerKeyValueHead, {{70}, {10}, {10}}, 1, 5}, 2, 0},
      {{Layout::TransposedStack, {wide, narrow}, 3, 1}, 0, 2},
      {{Layout::TransposedStack, {wide, narrow}, 3, 1}, 1, 1},
      {{Layout::TransposedStack, {{33, 1}}, 2, 1}, 0, 1},
  };
  for (const auto &[joined, part, expert] : cases)
    for (DType fromType : {DType::Float32, DType::BFloat16, DType::Float16})
      for (DType toType : {DType::Float32, DType::BFloat16, DType::Float16}) {
        uint64_t count = *elementCount(*joined.shape());
        const uint64_t size = byteSize(fromType);
        std::vector<float> values(count);
        for (uint64_t i = 0; i < count; ++i)
          values[i] = float(i % 251);
        std::vector<std::byte> file(count * size + 1); // not aligned
        convertElements(bytes(values), DType::Float32, file.data() + 1, fromType, count);
        const TensorSlice slice = joined.slice(file.data() + 1, fromType, part, expert);
        std::vector<std::byte> alone;
        for (uint64_t row = 0; row < slice.rows; ++row)
          for (uint64_t column = 0; column < slice.columns; ++column)
            alone.insert(alone.end(), slice.at(row, column), slice.at(row, column) + size);
        const std::vector<uint64_t> &shape = joined.shapes[part];
        for (fb::Packing packing :
             {fb::Packing::Rows, fb::Packing::Panel32, fb::Packing::Panel12}) {
          if ((packing != fb::Packing::Rows && shape.size() != 2) ||
              (packing == fb::Packing::Panel12 && toType != DType::BFloat16))
            continue;
          const uint64_t packed = *packedBytes(shape, toType, packing);
          std::vector<std::byte> found(packed, std::byte{1}), expected(packed, std::byte{2});
          packTensor(slice, found.data(), toType, packing);
          packTensor(wholeTensor(alone.data(), fromType, shape), expected.data(), toType, packing);
          EXPECT_TRUE(found == expected)
              << int(joined.layout) << " " << part << " " << int(fromType) << " " << int(toType);
        }
      }
}

TEST(Packing, RowsKeepTheOrder) {
  const uint64_t count = 700000; // more than one grain of work
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i)
    weights[i] = float(i % 255);
  std::vector<uint16_t> halves(count);
  const std::array<uint64_t, 2> shape = {7000, 100};
  EXPECT_EQ(packTensor(wholeTensor(bytes(weights), DType::Float32, shape), bytes(halves),
                       DType::BFloat16, fb::Packing::Rows),
            CastLoss());
  for (size_t i = 0; i < count; ++i)
    ASSERT_EQ(floatOfBFloat16(halves[i]), weights[i]);
}

} // namespace
} // namespace vinci
