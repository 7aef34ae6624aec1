#include "runtime/reference/quant_ops.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace vinci {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(ReferenceQuantOps, QuantizeRoundsTiesToEvenAndClamps) {
  const Matrix x(1, 7, {0.25f, 0.75f, -0.25f, 100, -100, std::nanf(""), infinity});
  EXPECT_EQ(ops::quantize(x, 0.5f, 0), IntMatrix(1, 7, {0, 2, 0, 127, -128, 0, 127}));
  EXPECT_EQ(ops::quantize({1, 2, {1, -1}}, 0.5f, -3), IntMatrix(1, 2, {-1, -5}));
}

TEST(ReferenceQuantOps, RowsHaveScalesOfTheirOwn) {
  const ops::QuantizedRows rows = ops::quantizeRows({2, 3, {127, -63.6f, 1, -2.54f, 0, 1.27f}});
  EXPECT_EQ(rows.values, IntMatrix(2, 3, {127, -64, 1, -127, 0, 64}));
  EXPECT_FLOAT_EQ(rows.scales.at(0, 0), 1);
  EXPECT_FLOAT_EQ(rows.scales.at(1, 0), 0.02f);
}

TEST(ReferenceQuantOps, RowsWithoutAScaleAreZero) {
  const ops::QuantizedRows rows = ops::quantizeRows({3, 2, {0, 0, infinity, 1, std::nanf(""), 9}});
  EXPECT_EQ(rows.values, IntMatrix(3, 2));
  EXPECT_EQ(rows.scales.at(0, 0), 0);
  EXPECT_EQ(rows.scales.at(1, 0), infinity);
  EXPECT_TRUE(std::isnan(rows.scales.at(2, 0)));
}

TEST(ReferenceQuantOps, StaticLinearTakesTheOffsetOutAgain) {
  // x = 0.5 * (q + 3): q = x / 0.5 - 3. The weight is 0.25 * (2, -1), the bias 1.
  const Matrix x(1, 2, {4, 1});
  const IntMatrix q = ops::quantize(x, 0.5f, -3), weight(1, 2, {2, -1});
  const IntMatrix quantBias(1, 1, {int32_t(1 / 0.125) + 3 * (2 - 1)});
  // 0.25 * (2 * 4 - 1) + 1
  EXPECT_EQ(ops::staticLinear(q, weight, quantBias, {1, 1, {0.125f}}), Matrix(1, 1, {2.75f}));
}

TEST(ReferenceQuantOps, SumsAreExact) {
  // 2^24 + 1 is no float32, and must not become one before 1 is taken away.
  EXPECT_EQ(ops::staticLinear({1, 1, {-1}}, {1, 1, {1}}, {1, 1, {(1 << 24) + 1}}, {1, 1, {1}}),
            Matrix(1, 1, {0x1p24f}));
  const uint64_t depth = 1 << 17;
  const ops::QuantizedRows x{{1, depth, std::vector<int32_t>(depth, 127)}, {1, 1, {1}}};
  const IntMatrix weight(1, depth, std::vector<int32_t>(depth, 127));
  EXPECT_EQ(ops::dynamicLinear(x, weight, {1, 1, {1}}, nullptr),
            Matrix(1, 1, {float(127 * 127 * int64_t(depth))}));
}

TEST(ReferenceQuantOps, DynamicLinearScalesRowsAndColumns) {
  const ops::QuantizedRows x{{2, 2, {1, 2, 3, 4}}, {2, 1, {0.5f, 2}}};
  const IntMatrix weight(2, 2, {1, 1, -1, 2});
  const Matrix scales(2, 1, {10, 100}), bias(2, 1, {1, 2});
  EXPECT_EQ(ops::dynamicLinear(x, weight, scales, nullptr), Matrix(2, 2, {15, 150, 140, 1000}));
  EXPECT_EQ(ops::dynamicLinear(x, weight, scales, &bias), Matrix(2, 2, {16, 152, 141, 1002}));
}

TEST(ReferenceQuantOps, WeightOnlyLinearScalesColumns) {
  const Matrix x(2, 2, {0.5f, 2, -1, 3}), scales(2, 1, {10, 100}), bias(2, 1, {1, 2});
  const IntMatrix weight(2, 2, {1, 1, -1, 2});
  EXPECT_EQ(ops::weightOnlyLinear(x, weight, scales, nullptr), Matrix(2, 2, {25, 350, 20, 700}));
  EXPECT_EQ(ops::weightOnlyLinear(x, weight, scales, &bias), Matrix(2, 2, {26, 352, 21, 702}));
}

} // namespace
} // namespace vinci
