#include "runtime/support/half.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace vinci {
namespace {

TEST(Half, EveryFloat16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = floatOfFloat16(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(floatOfFloat16(float16OfFloat(value))));
    else
      EXPECT_EQ(float16OfFloat(value), bits);
  }
}

TEST(Half, EveryBFloat16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = floatOfBFloat16(uint16_t(bits));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(floatOfBFloat16(bfloat16OfFloat(value))));
    else
      EXPECT_EQ(bfloat16OfFloat(value), bits);
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(floatOfFloat16(0x3c00), 1.0f);
  EXPECT_EQ(floatOfFloat16(0x7bff), 65504.0f);
  EXPECT_EQ(floatOfFloat16(0x0001), 0x1p-24f);
  EXPECT_EQ(floatOfBFloat16(0xc040), -3.0f);
}

TEST(Half, RoundsTiesToEven) {
  EXPECT_EQ(float16OfFloat(1.0f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(float16OfFloat(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(float16OfFloat(0x1p-25f), 0x0000);
  EXPECT_EQ(float16OfFloat(3 * 0x1p-25f), 0x0002);
  EXPECT_EQ(float16OfFloat(65519.0f), 0x7bff);
  EXPECT_EQ(float16OfFloat(65520.0f), 0x7c00);
  EXPECT_EQ(float16OfFloat(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(bfloat16OfFloat(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(bfloat16OfFloat(1.0f + 3 * 0x1p-8f), 0x3f82);
  EXPECT_EQ(bfloat16OfFloat(std::numeric_limits<float>::max()), 0x7f80);
}

} // namespace
} // namespace vinci
