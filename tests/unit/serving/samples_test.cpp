#include "runtime/serving/samples.h"

#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

TEST(Samples, PercentilesInterpolateLinearly) {
  Samples samples;
  for (double value : {40, 10, 30, 20})
    samples.add(value);
  EXPECT_EQ(samples.count(), 4u);
  EXPECT_DOUBLE_EQ(samples.mean(), 25);
  EXPECT_EQ(samples.min(), 10);
  EXPECT_EQ(samples.max(), 40);
  EXPECT_DOUBLE_EQ(samples.percentile(0), 10);
  EXPECT_DOUBLE_EQ(samples.percentile(0.5), 25);
  EXPECT_DOUBLE_EQ(samples.percentile(0.75), 32.5);
  EXPECT_DOUBLE_EQ(samples.percentile(0.9), 37);
  EXPECT_DOUBLE_EQ(samples.percentile(1), 40);
}

TEST(Samples, CountsAreAsGoodAsRepeating) {
  Samples counted, repeated;
  uint64_t n = 1;
  for (double value : {3.0, 1.0, 3.0, 2.0, 3.0, 1.0}) {
    counted.add(value, n);
    for (uint64_t i = 0; i < n; ++i)
      repeated.add(value);
    ++n;
    for (double share : {0.0, 0.1, 0.25, 0.5, 0.66, 0.9, 0.99, 1.0})
      EXPECT_EQ(counted.percentile(share), repeated.percentile(share)) << n << " " << share;
    EXPECT_EQ(counted.count(), repeated.count());
    EXPECT_DOUBLE_EQ(counted.mean(), repeated.mean());
  }
}

TEST(Samples, OneIsEverything) {
  Samples samples;
  samples.add(7);
  for (double share : {0.0, 0.5, 1.0})
    EXPECT_EQ(samples.percentile(share), 7);
}

TEST(Samples, Map) {
  Samples samples;
  samples.add(1.4, 3);
  samples.add(0.6, 2);
  const Samples rounded = samples.map([](double value) { return value > 1 ? 10.0 : 5.0; });
  EXPECT_EQ(rounded.count(), 5u);
  EXPECT_DOUBLE_EQ(rounded.mean(), 8);
  EXPECT_EQ(Samples().map([](double value) { return value; }).count(), 0u);
}

TEST(Samples, NoSamplesHaveNoMean) {
  EXPECT_EQ(test::messageOf([] { Samples().mean(); }), "a distribution has no samples");
}

} // namespace
} // namespace vinci
