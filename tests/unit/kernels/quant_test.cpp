// int8: the extremes of sums, the rounding of activations, and rows that do not depend on each
// other. That results are those of the references to the bit, on all targets, is in
// every_kernel_test.cpp.
#include "runtime/weights/packing.h"
#include "tests/unit/kernels/op_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace vinci::test {
namespace {

using namespace std::string_literals;

int8_t *bytes(const Buffer &buffer) {
  return reinterpret_cast<int8_t *>(buffer.data());
}

void fillWeights(const Buffer &weights, int64_t n, int64_t k, int8_t value) {
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < k; ++column)
      bytes(weights)[reference::panelIndex(row, column, k, DType::Int8)] = value;
}

/// Sums of 2^14 and its negative, added up as often as int32 bears: a product that saturates, or
/// that passes through floats, gives something else.
TEST(QuantMatmul, SumsAreExactUpToTheLargestDepth) {
  constexpr int64_t n = 17, k = maxInt8Depth;
  const KernelSpec spec = makeSpec("quant_matmul", {{"dtype", "float32"s}, {"n", n}, {"k", k}});
  std::vector<Buffer> buffers = {Buffer(2 * n * 4), Buffer(2 * k),
                                 Buffer(reference::panelElements(n, k, DType::Int8)), Buffer(n * 4),
                                 Buffer(n * 4)};
  std::fill_n(bytes(buffers[1]), k, int8_t{-128});
  std::fill_n(bytes(buffers[1]) + k, k, int8_t{127});
  fillWeights(buffers[2], n, k, -128);
  for (int64_t i = 0; i < n; ++i) {
    buffers[3].ints()[i] = static_cast<int32_t>(-16384 * k + i); // leaves what floats would lose
    buffers[4].floats()[i] = 1;
  }
  for (const CpuTarget &target : runnableTargets()) {
    CompiledKernel(spec, target).run(buffers, makeDims(2));
    for (int64_t i = 0; i < n; ++i)
      EXPECT_EQ(buffers[0].floats()[i], static_cast<float>(i)) << target.name;
    // -16256k - 16384k + i, which wraps as int32 sums do.
    const auto wrapped =
        static_cast<int32_t>(static_cast<uint32_t>(-16256 * k) + static_cast<uint32_t>(-16384 * k));
    EXPECT_EQ(buffers[0].floats()[n], static_cast<float>(wrapped)) << target.name;
  }
}

/// With a scale of one and no bias the results are the sums, small enough for a float32. The depths
/// end within a word of four values, a tile of 64 and a chunk of 512; the rows within any block.
TEST(QuantMatmul, SumsAreThoseOfTheReferenceForAnyNumberOfRows) {
  for (const auto &[n, k] : {std::pair{1, 3}, {33, 131}, {77, 515}, {129, 1000}, {32, 64}}) {
    const KernelSpec spec =
        makeSpec("quant_matmul", {{"dtype", "float32"s}, {"n", int64_t{n}}, {"k", int64_t{k}}});
    for (const uint64_t rows : {1, 2, 5, 17, 33, 100}) {
      std::vector<Buffer> buffers = {Buffer(rows * n * 4), Buffer(rows * k),
                                     Buffer(reference::panelElements(n, k, DType::Int8)),
                                     Buffer(n * 4), Buffer(n * 4)};
      Random random(rows);
      random.fill(buffers[1].elements(DType::Int8), rows * k);
      for (int row = 0; row < n; ++row)
        for (int column = 0; column < k; ++column)
          bytes(buffers[2])[reference::panelIndex(row, column, k, DType::Int8)] =
              static_cast<int8_t>(random.integer(-128, 128));
      std::fill_n(buffers[4].floats(), n, 1.0f);
      std::vector<Buffer> expected = buffers;
      runReference(spec, expected, makeDims(rows));
      for (const CpuTarget &target : runnableTargets()) {
        CompiledKernel(spec, target).run(buffers, makeDims(rows));
        EXPECT_TRUE(buffers[0] == expected[0])
            << target.name << ", " << rows << " x " << n << " x " << k;
      }
    }
  }
}

/// Weights and activations of every pair of signs and extremes next to each other: pairwise
/// products that are added in 16 bits overflow.
TEST(DynamicQuantMatmul, NeighbouringProductsDoNotSaturate) {
  constexpr int64_t n = 32, k = 64;
  const KernelSpec spec = makeSpec(
      "dynamic_quant_matmul",
      {{"dtype", "float32"s}, {"n", n}, {"k", k}, {"bias", int64_t{0}}, {"rows", "tokens"s}});
  for (const int8_t x : {-128, -1, 127})
    for (const int8_t w : {-128, -1, 127}) {
      std::vector<Buffer> buffers = {Buffer(n * 4), Buffer(k), Buffer(4),
                                     Buffer(reference::panelElements(n, k, DType::Int8)),
                                     Buffer(n * 4)};
      std::fill_n(bytes(buffers[1]), k, x);
      buffers[2].floats()[0] = 1;
      fillWeights(buffers[3], n, k, w);
      std::fill_n(buffers[4].floats(), n, 1.0f);
      for (const CpuTarget &target : runnableTargets()) {
        CompiledKernel(spec, target).run(buffers, makeDims(1));
        for (int64_t i = 0; i < n; ++i)
          EXPECT_EQ(buffers[0].floats()[i], static_cast<float>(k * x * w)) << target.name;
      }
    }
}

/// Quantises one row of floats with each target; all must agree with `expected`.
void expectQuantized(std::vector<float> row, float scale, float offset,
                     const std::vector<int> &expected) {
  const auto n = static_cast<int64_t>(row.size());
  const KernelSpec spec = makeSpec("quantize", {{"dtype", "float32"s}, {"n", n}});
  std::vector<Buffer> buffers = {Buffer(n), Buffer(n * 4), Buffer(4), Buffer(4)};
  std::ranges::copy(row, buffers[1].floats());
  buffers[2].floats()[0] = scale;
  buffers[3].floats()[0] = offset;
  for (const CpuTarget &target : runnableTargets()) {
    CompiledKernel(spec, target).run(buffers, makeDims(1));
    EXPECT_EQ(std::vector<int>(bytes(buffers[0]), bytes(buffers[0]) + n), expected) << target.name;
  }
}

TEST(Quantize, RoundsTiesToEvenAndClamps) {
  expectQuantized(
      {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 127.49f, 127.5f, 1e30f, -128.5f, -129, -1e30f}, 1, 0,
      {0, 2, 2, 0, -2, 126, 127, 127, 127, -128, -128, -128});
  expectQuantized({0, 0.25f, -0.25f, 30, 32, -32}, 0.25f, 5, {5, 6, 4, 125, 127, -123});
  expectQuantized({INFINITY, -INFINITY, NAN, 1}, 1, 0, {127, -128, 0, 1});
}

struct DynamicRow {
  std::vector<int> values;
  float scale;
};

DynamicRow dynamicQuantize(const std::vector<float> &row, const CpuTarget &target) {
  const auto n = static_cast<int64_t>(row.size());
  const KernelSpec spec = makeSpec("dynamic_quantize", {{"dtype", "float32"s},
                                                        {"n", n},
                                                        {"rows", "tokens"s},
                                                        {"parts", int64_t{1}},
                                                        {"row_max", int64_t{0}}});
  std::vector<Buffer> buffers = {Buffer(n), Buffer(4), Buffer(n * 4)};
  std::ranges::copy(row, buffers[2].floats());
  CompiledKernel(spec, target).run(buffers, makeDims(1));
  return {{bytes(buffers[0]), bytes(buffers[0]) + n}, buffers[1].floats()[0]};
}

TEST(DynamicQuantize, TakesTheLargestAbsoluteValue) {
  for (const CpuTarget &target : runnableTargets()) {
    std::vector<float> row(40, 1.0f);
    row[33] = -254;
    const DynamicRow result = dynamicQuantize(row, target);
    EXPECT_EQ(result.scale, 2.0f) << target.name;
    EXPECT_EQ(result.values[33], -127);
    EXPECT_EQ(result.values[0], 0); // 0.5, ties to even
  }
}

TEST(DynamicQuantize, RowsOfZerosAndOfLessThanAScaleCanSayAreZero) {
  constexpr float least = 1.4e-45f;
  for (const CpuTarget &target : runnableTargets())
    for (const float value : {0.0f, -0.0f, least, -least}) {
      const DynamicRow result = dynamicQuantize(std::vector<float>(20, value), target);
      EXPECT_EQ(result.scale, 0.0f) << target.name;
      EXPECT_EQ(result.values, std::vector<int>(20, 0)) << target.name;
    }
}

TEST(DynamicQuantize, WhatIsNotFiniteReachesTheScale) {
  for (const CpuTarget &target : runnableTargets())
    for (const size_t place : {size_t{0}, size_t{15}, size_t{18}}) {
      std::vector<float> row(19, 3.0f);
      row[place] = -INFINITY;
      EXPECT_EQ(dynamicQuantize(row, target).scale, INFINITY) << target.name;
      row[place] = NAN;
      EXPECT_TRUE(std::isnan(dynamicQuantize(row, target).scale)) << target.name;
      row[(place + 1) % 19] = INFINITY;
      EXPECT_TRUE(std::isnan(dynamicQuantize(row, target).scale)) << target.name;
    }
}

/// Rows that are cut among ranks, each of which knows the largest values of all parts, have the
/// bits and the scales of whole rows; also if what is not finite is in the part of another.
TEST(DynamicQuantize, PartsOfRowsAreQuantisedAsTheWholeRows) {
  constexpr int64_t parts = 3, width = 21;
  constexpr uint64_t rows = 5;
  const auto spec = [&](int64_t n, bool given) {
    return makeSpec("dynamic_quantize", {{"dtype", "bfloat16"s},
                                         {"n", n},
                                         {"rows", "tokens"s},
                                         {"parts", given ? parts : 1},
                                         {"row_max", int64_t{given}}});
  };
  std::vector<Buffer> whole = {Buffer(rows * parts * width), Buffer(rows * 4),
                               Buffer(rows * parts * width * 2)};
  const reference::Elements x = whole[2].elements(DType::BFloat16);
  Random(7).fill(x, rows * parts * width);
  x.set(2 * parts * width + width + 3, INFINITY);
  x.set(3 * parts * width + 2 * width, NAN);
  for (int64_t i = 0; i < parts * width; ++i)
    x.set(4 * parts * width + i, 0);
  for (const CpuTarget &target : runnableTargets()) {
    CompiledKernel(spec(parts * width, false), target).run(whole, makeDims(rows));
    Buffer maxima(rows * parts * 4);
    std::vector<std::vector<Buffer>> ranks;
    for (int64_t part = 0; part < parts; ++part) {
      std::vector<Buffer> buffers = {Buffer(rows * 4), Buffer(rows * width * 2)};
      for (uint64_t row = 0; row < rows; ++row)
        std::memcpy(buffers[1].data() + row * width * 2,
                    whole[2].data() + (row * parts + part) * width * 2, width * 2);
      CompiledKernel(
          makeSpec("row_max",
                   {{"dtype", "bfloat16"s}, {"n", width}, {"rows_per_token", int64_t{1}}}),
          target)
          .run(buffers, makeDims(rows));
      std::memcpy(maxima.data() + part * rows * 4, buffers[0].data(), rows * 4);
      ranks.push_back({Buffer(rows * width), Buffer(rows * 4), buffers[1]});
    }
    for (int64_t part = 0; part < parts; ++part) {
      std::vector<Buffer> &rank = ranks[part];
      rank.push_back(maxima);
      CompiledKernel(spec(width, true), target).run(rank, makeDims(rows));
      EXPECT_TRUE(rank[1] == whole[1]) << target.name;
      for (uint64_t row = 0; row < rows; ++row)
        EXPECT_EQ(std::memcmp(bytes(rank[0]) + row * width,
                              bytes(whole[0]) + (row * parts + part) * width, width),
                  0)
            << target.name << ", row " << row << ", part " << part;
    }
  }
}

/// The rows of a batch have the bits that they have alone.
TEST(DynamicQuantMatmul, RowsAreTheSameBitsInEveryBatch) {
  const OpCase all = makeCase(makeSpec("dynamic_quant_matmul", {{"dtype", "bfloat16"s},
                                                                {"n", int64_t{80}},
                                                                {"k", int64_t{77}},
                                                                {"bias", int64_t{1}},
                                                                {"rows", "tokens"s}}));
  const uint64_t rows = all.dims[VINCI_DIM_TOKENS], rowBytes = 80 * 2;
  for (const CpuTarget &target : runnableTargets()) {
    const CompiledKernel kernel(all.spec, target);
    std::vector<Buffer> batch = all.buffers;
    kernel.run(batch, all.dims);
    for (uint64_t row = 0; row < rows; ++row) {
      std::vector<Buffer> one = {Buffer(rowBytes), Buffer(77),     Buffer(4),
                                 all.buffers[3],   all.buffers[4], all.buffers[5]};
      std::memcpy(one[1].data(), all.buffers[1].data() + row * 77, 77);
      one[2].floats()[0] = all.buffers[2].floats()[row];
      kernel.run(one, makeDims(1));
      EXPECT_EQ(std::memcmp(one[0].data(), batch[0].data() + row * rowBytes, rowBytes), 0)
          << target.name << ", row " << row;
    }
  }
}

/// The runtime's packing and the references lay int8 weights out alike.
TEST(QuantMatmul, ReadsWeightsAsTheRuntimePacksThem) {
  for (const auto &[n, k] : {std::pair{300, 176}, {33, 31}, {1, 1}, {64, 320}}) {
    const uint64_t size = reference::panelElements(n, k, DType::Int8);
    Buffer rows(n * k), expected(size), packed(size);
    Random(4).fill(rows.elements(DType::Int8), n * k);
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < k; ++column)
        bytes(expected)[reference::panelIndex(row, column, k, DType::Int8)] =
            bytes(rows)[row * k + column];
    packTensor(
        wholeTensor(rows.data(), DType::Int8, std::vector<uint64_t>{uint64_t(n), uint64_t(k)}),
        packed.data(), DType::Int8, fb::Packing::Panel32);
    EXPECT_TRUE(packed == expected) << n << "x" << k;
  }
}

} // namespace
} // namespace vinci::test
