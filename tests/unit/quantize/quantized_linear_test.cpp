#include "runtime/quantize/quantized_linear.h"

#include "runtime/reference/quant_ops.h"
#include "tests/unit/weights/temporary_folder.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

TEST(QuantizedLinear, RowsHaveScalesOfTheirOwn) {
  const QuantizedWeight weight = quantizeWeight(Matrix(3, 2, {1.27f, -0.014f, 0, 0, -254, 127}));
  EXPECT_EQ(weight.values, (std::vector<int8_t>{127, -1, 0, 0, -127, 64}));
  EXPECT_FLOAT_EQ(weight.scales[0], 0.01f);
  EXPECT_EQ(weight.scales[1], 1); // of zeros
  EXPECT_EQ(weight.scales[2], 2);
}

TEST(QuantizedLinear, ValuesTooSmallForAScaleAreZero) {
  const QuantizedWeight weight = quantizeWeight(Matrix(1, 1, {1e-45f}));
  EXPECT_EQ(weight.values[0], 0);
  EXPECT_EQ(weight.scales[0], 1);
}

/// What the runtime computes of these tensors is the float product, within rounding.
TEST(QuantizedLinear, StaticTensorsMakeTheProduct) {
  const Matrix weight(2, 3, {0.5f, -1, 0.25f, 2, 1, -0.5f}), bias(2, 1, {10, -3});
  const Matrix x(1, 3, {0.9f, -0.3f, 1.5f});
  const StaticScale input{1.8f / 255, -85};
  const QuantizedWeight quantized = quantizeWeight(weight);
  const StaticLinear tensors = staticLinear(quantized, input, &bias, "x");
  const Matrix y =
      ops::staticLinear(ops::quantize(x, input.scale, input.offset),
                        IntMatrix(2, 3, {quantized.values.begin(), quantized.values.end()}),
                        IntMatrix(2, 1, tensors.quantBias), Matrix(2, 1, tensors.deqScale));
  EXPECT_NEAR(y.at(0, 0), 0.45 + 0.3 + 0.375 + 10, 0.03);
  EXPECT_NEAR(y.at(0, 1), 1.8 - 0.3 - 0.75 - 3, 0.03);
}

TEST(QuantizedLinear, BiasesThatDoNotFit) {
  const QuantizedWeight weight = quantizeWeight(Matrix(2, 1, {1, 1e-9f}));
  const Matrix bias(2, 1, {1, 1});
  EXPECT_CONTAINS(messageOf([&] {
                    staticLinear(weight, {1e-3f, 0}, &bias, "a.q_proj");
                  }),
                  "a.q_proj: the bias of output 1 is 127");
}

} // namespace
} // namespace vinci
