// Dense matmuls and vector kernels against the public 910B tables. Numbers are microseconds as
// published; one set of constants, tolerances as far as it is off.
#include "runtime/support/error.h"
#include "tests/unit/device/cost_test.h"

#include <algorithm>
#include <vector>

namespace vinci {
namespace {

using namespace test;

TEST(CostMatmul, BFloat16TableByRows) {
  for (auto [rows, published] : {std::pair{1.0, 23.0},
                                 {16.0, 24.7},
                                 {64.0, 28.1},
                                 {256.0, 55.5},
                                 {1024.0, 133.3},
                                 {4096.0, 438.3}})
    EXPECT_TRUE(isWithin(tableMatmul(rows, 4096, 4096, DType::BFloat16), published, 0.12)) << rows;
  EXPECT_TRUE(isWithin(tableMatmul(1, 8192, 8192, DType::BFloat16), 101.8, 0.09));
}

TEST(CostMatmul, W8A8TableByRows) {
  for (auto [rows, published] : {std::pair{1.0, 23.8},
                                 {16.0, 29.9},
                                 {64.0, 36.0},
                                 {256.0, 55.7},
                                 {1024.0, 107.5},
                                 {4096.0, 311.7}})
    EXPECT_TRUE(isWithin(tableMatmul(rows, 4096, 4096, DType::Int8), published, 0.21)) << rows;
  EXPECT_TRUE(isWithin(tableMatmul(1, 8192, 8192, DType::Int8), 58.5, 0.09));
}

TEST(CostMatmul, FitsOfTheTables) {
  // Above 40 MB: 4.8 us and 1.277 TB/s. From 4 to 30 MB, in L2: 6.6 us and 2.4 TB/s.
  EXPECT_TRUE(isWithin(tableMatmul(16, 8192, 6144, DType::BFloat16), 4.8 + 100.66 / 1.277, 0.01));
  EXPECT_TRUE(isWithin(tableMatmul(16, 2560, 4096, DType::BFloat16), 6.6 + 20.97 / 2.4, 0.12));
  // W8A8 above 20 MB: 18.8 us and 1.597 TB/s. Floors: 5.2 us; 12.7 us, which graphs reach.
  EXPECT_TRUE(isWithin(tableMatmul(16, 8192, 12288, DType::Int8), 18.8 + 100.66 / 1.597, 0.06));
  EXPECT_TRUE(isWithin(tableMatmul(1, 256, 512, DType::BFloat16), 5.2, 0.06));
  const double floor = board()
                           .matmul({.weights = DType::Int8,
                                    .activations = DType::Int8,
                                    .rows = 1,
                                    .n = 256,
                                    .k = 512,
                                    .weightBytes = 256 * 512},
                                   LaunchMode::Graph)
                           .us +
                       board().vector(3 * 512, 0, LaunchMode::Graph).us;
  EXPECT_TRUE(isWithin(floor, 12.7, 0.02));
}

/// Median over shapes of TF/s, of depths and widths from 2048 on.
double medianThroughput(double rows, DType type) {
  std::vector<double> values;
  for (double n : {2048.0, 4096.0, 8192.0, 12288.0})
    for (double k : {2048.0, 4096.0, 8192.0, 12288.0})
      values.push_back(2 * rows * n * k / tableMatmul(rows, n, k, type) / 1e6);
  std::ranges::sort(values);
  return values[values.size() / 2];
}

TEST(CostMatmul, ThroughputByRows) {
  for (auto [rows, published] : {std::pair{256.0, 160.0}, {512.0, 207.0}})
    EXPECT_TRUE(isWithin(medianThroughput(rows, DType::BFloat16), published, 0.19)) << rows;
  for (auto [rows, published] :
       {std::pair{1024.0, 265.0}, {2048.0, 300.0}, {4096.0, 309.0}, {16384.0, 316.0}})
    EXPECT_TRUE(isWithin(medianThroughput(rows, DType::BFloat16), published, 0.11)) << rows;
  for (auto [rows, published] : {std::pair{1024.0, 436.0}, {2048.0, 494.0}, {4096.0, 511.0}})
    EXPECT_TRUE(isWithin(medianThroughput(rows, DType::Int8), published, 0.11)) << rows;
}

TEST(CostMatmul, Int8PaysOnlyForLargeWeights) {
  const auto gain = [](double n, double k) {
    return tableMatmul(1, n, k, DType::BFloat16) / tableMatmul(1, n, k, DType::Int8);
  };
  EXPECT_LT(gain(4096, 2048), 1);
  EXPECT_TRUE(isWithin(gain(4096, 4096), 23.0 / 23.8, 0.08));
  EXPECT_TRUE(isWithin(gain(8192, 8192), 101.8 / 58.5, 0.02));
}

TEST(CostMatmul, SaysWhatBoundsIt) {
  const MatmulWork decode = {.rows = 8, .n = 8192, .k = 8192, .weightBytes = 8192.0 * 8192 * 2};
  const OpTime byMemory = npu().matmul(decode, LaunchMode::Graph);
  EXPECT_EQ(toString(byMemory.bound), "hbm");
  EXPECT_EQ(byMemory.constant, "memory.share.matmul_float");
  EXPECT_EQ(toString(byMemory.tag), "fitted");
  EXPECT_NEAR(byMemory.efficiency, 0.76, 0.02);
  EXPECT_LT(byMemory.p10, byMemory.us);
  EXPECT_GT(byMemory.p90, byMemory.us);

  MatmulWork prefetched = decode;
  prefetched.cachedBytes = decode.weightBytes;
  const OpTime byCache = npu().matmul(prefetched, LaunchMode::Graph);
  EXPECT_EQ(toString(byCache.bound), "l2");
  EXPECT_EQ(byCache.constant, "l2.stream_share");

  MatmulWork prefill = decode;
  prefill.rows = 4096;
  EXPECT_EQ(npu().matmul(prefill, LaunchMode::Graph).constant, "cube.share.float");

  const MatmulWork tiny = {.rows = 1, .n = 64, .k = 64, .weightBytes = 64 * 64 * 2};
  const OpTime byLaunch = npu().matmul(tiny, LaunchMode::Graph);
  EXPECT_EQ(toString(byLaunch.bound), "fixed");
  EXPECT_EQ(byLaunch.constant, "kernel.graph.matmul_float");
}

TEST(CostMatmul, RefusesTypesThatTheDeviceLacks) {
  const CostModel model(*findDeviceSpec("310p3"));
  try {
    model.matmul({.rows = 1, .n = 64, .k = 64, .weightBytes = 8192}, LaunchMode::Graph);
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.message(), "310p3 has no bfloat16 matmul; float16 is legal");
  }
}

TEST(CostVector, IsFixedTimePlusBytes) {
  // 4 us and 0.6 of 1.6 TB/s.
  EXPECT_NEAR(npu().vector(9.6e6, 0, LaunchMode::Graph).us, 14, 1e-9);
  EXPECT_EQ(npu().vector(100, 0, LaunchMode::Graph).constant, "kernel.graph.vector");
  EXPECT_EQ(npu().vector(9.6e6, 0, LaunchMode::Graph).constant, "memory.share.vector");
  EXPECT_EQ(npu().vector(0, 1e12, LaunchMode::Graph).constant, "vector.share");
}

} // namespace
} // namespace vinci
