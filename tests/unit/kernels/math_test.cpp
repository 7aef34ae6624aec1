// The vector exp, sine and cosine, seen through the kernels that use them.
#include "tests/unit/kernels/op_cases.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci::test {
namespace {

TEST(VectorMath, SiluIsRightOverTheWholeRange) {
  constexpr int64_t n = 4000;
  const KernelSpec silu = makeSpec(
      "silu", {{"dtype", std::string("float32")}, {"n", n}, {"rows_per_token", int64_t{1}}});
  for (const CpuTarget &target : runnableTargets()) {
    const std::vector<Buffer> buffers = {Buffer(n * 4), Buffer(n * 4)};
    for (int64_t i = 0; i < n; ++i)
      buffers[1].floats()[i] = static_cast<float>(i - n / 2) * 0.05f; // -100 .. 100
    CompiledKernel(silu, target).run(buffers, makeDims(1));
    for (int64_t i = 0; i < n; ++i) {
      const double x = buffers[1].floats()[i], expected = x / (1 + std::exp(-x));
      // Below -88, 1 + e^-x is infinite in float32 and the result is -0.
      const double tolerance = std::abs(expected) * 3.0e-7 + (x < -87 ? 1e-35 : 0);
      ASSERT_NEAR(buffers[0].floats()[i], expected, tolerance) << target.name << " " << x;
    }
  }
}

TEST(VectorMath, SiluPassesInfinitiesAndNaNs) {
  const KernelSpec silu = makeSpec(
      "silu",
      {{"dtype", std::string("float32")}, {"n", int64_t{3}}, {"rows_per_token", int64_t{1}}});
  for (const CpuTarget &target : runnableTargets()) {
    const std::vector<Buffer> buffers = {Buffer(12), Buffer(12)};
    buffers[1].floats()[0] = INFINITY;
    buffers[1].floats()[1] = NAN;
    buffers[1].floats()[2] = 0;
    CompiledKernel(silu, target).run(buffers, makeDims(1));
    EXPECT_EQ(buffers[0].floats()[0], INFINITY);
    EXPECT_TRUE(std::isnan(buffers[0].floats()[1]));
    EXPECT_EQ(buffers[0].floats()[2], 0);
  }
}

TEST(VectorMath, SineAndCosineAreRightForAMillionRadians) {
  constexpr int32_t tokens = 5000;
  const KernelSpec table =
      makeSpec("rope_table", {{"dtype", std::string("float32")}, {"head_dim", int64_t{4}}});
  for (const CpuTarget &target : runnableTargets()) {
    const std::vector<Buffer> buffers = {Buffer(tokens * 16), Buffer(tokens * 4), Buffer(8)};
    for (int32_t i = 0; i < tokens; ++i)
      buffers[1].ints()[i] = i < 1000 ? i : 1000000 - i;
    buffers[2].floats()[0] = 1.0f;
    buffers[2].floats()[1] = 0.7853981f; // near the edges of the reduced interval
    CompiledKernel(table, target).run(buffers, makeDims(tokens));
    for (int32_t i = 0; i < tokens; ++i)
      for (int d = 0; d < 2; ++d) {
        const float angle = static_cast<float>(buffers[1].ints()[i]) * buffers[2].floats()[d];
        const float *row = buffers[0].floats() + i * 4;
        ASSERT_NEAR(row[d], std::cos(double{angle}), 6.1e-8) << target.name << " " << angle;
        ASSERT_NEAR(row[2 + d], std::sin(double{angle}), 6.1e-8) << target.name << " " << angle;
      }
  }
}

TEST(VectorMath, RoundsToNearestEvenAndKeepsNaN) {
  // x * 1 through mul: the result is the float32 product rounded to bfloat16 once.
  const KernelSpec mul = makeSpec(
      "mul",
      {{"dtype", std::string("bfloat16")}, {"n", int64_t{5}}, {"rows_per_token", int64_t{1}}});
  const uint16_t a[] = {0x3F81, 0x3F83, 0x7FC1, 0x7F7F, 0x7F81};
  const uint16_t b[] = {0x3FC0, 0x3FC0, 0x3F80, 0x4000, 0x3F80};
  // 1.0078125 * 1.5 = 1.51171875 lies between 0x3FC1 and 0x3FC2: to even. 1.0234375 * 1.5 likewise,
  // up.
  const uint16_t expected[] = {0x3FC2, 0x3FC4, 0x7FC1, 0x7F80, 0x7FC1};
  for (const CpuTarget &target : runnableTargets()) {
    const std::vector<Buffer> buffers = {Buffer(10), Buffer(10), Buffer(10)};
    std::copy_n(a, 5, reinterpret_cast<uint16_t *>(buffers[1].data()));
    std::copy_n(b, 5, reinterpret_cast<uint16_t *>(buffers[2].data()));
    CompiledKernel(mul, target).run(buffers, makeDims(1));
    for (int i = 0; i < 5; ++i)
      EXPECT_EQ(reinterpret_cast<uint16_t *>(buffers[0].data())[i], expected[i])
          << target.name << " " << i;
  }
}

TEST(Lookup, GivesZerosForIndicesOutOfRange) {
  const KernelSpec spec = makeSpec("embedding", {{"dtype", std::string("float32")},
                                                 {"hidden", int64_t{20}},
                                                 {"vocab", int64_t{3}},
                                                 {"sharded", int64_t{0}},
                                                 {"panels", int64_t{0}},
                                                 {"rows", std::string("tokens")}});
  for (const CpuTarget &target : runnableTargets()) {
    const std::vector<Buffer> buffers = {Buffer(4 * 80), Buffer(16), Buffer(3 * 80)};
    Random(5).fill(buffers[2].elements(DType::Float32), 60);
    const int32_t ids[] = {-1, 2, 3, INT32_MIN};
    std::copy_n(ids, 4, buffers[1].ints());
    CompiledKernel(spec, target).run(buffers, makeDims(4));
    for (int i = 0; i < 80; ++i)
      EXPECT_EQ(buffers[0].floats()[i], i / 20 == 1 ? buffers[2].floats()[40 + i % 20] : 0.0f)
          << target.name << " " << i;
  }
}

} // namespace
} // namespace vinci::test
