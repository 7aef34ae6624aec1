#include "runtime/quantize/linear_error.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci {
namespace {

TEST(LinearError, IsZeroWhereNothingIsRounded) {
  const Matrix x(2, 2, {127, -3, 127, 50}), weight(1, 2, {127, -127});
  for (LinearScheme scheme : {LinearScheme::W8A16, LinearScheme::W8A8Dynamic, LinearScheme::W8A8}) {
    const LinearError error = linearError(x, weight, scheme, {1, 0});
    EXPECT_EQ(error.max, 0);
    EXPECT_TRUE(std::isinf(error.sqnrDb()));
    EXPECT_DOUBLE_EQ(error.cosine(), 1);
  }
}

TEST(LinearError, MeasuresWhatClippingCosts) {
  const Matrix x(1, 1, {100}), weight(1, 1, {127});
  const LinearError error = linearError(x, weight, LinearScheme::W8A8, {0.5f, 0}); // up to 63.5
  EXPECT_DOUBLE_EQ(error.max, 127 * 36.5);
  EXPECT_NEAR(error.sqnrDb(), 20 * std::log10(100 / 36.5), 1e-9);
  EXPECT_DOUBLE_EQ(error.cosine(), 1); // shorter, and of the same direction
}

TEST(LinearError, WeightsAloneAreRoundedInW8A16) {
  const Matrix x(1, 2, {0.3f, 1000}), weight(1, 2, {0.4f, 127});
  const LinearError weightsOnly = linearError(x, weight, LinearScheme::W8A16, {});
  EXPECT_NEAR(weightsOnly.max, 0.12, 1e-5);
  EXPECT_GT(linearError(x, weight, LinearScheme::W8A8, {4, 0}).max, 0.12);
}

TEST(LinearError, AddsUp) {
  LinearError sum = {1, 10, 2, 3, 4};
  sum += {5, 20, 1, 2, 3};
  EXPECT_EQ(sum.max, 5);
  EXPECT_EQ(sum.signal, 30);
  EXPECT_EQ(sum.noise, 3);
}

} // namespace
} // namespace vinci
