#include "runtime/quantize/rotation.h"

#include <cmath>
#include <gtest/gtest.h>

namespace vinci {
namespace {

std::vector<std::vector<double>> matrixOf(const Rotation &rotation) {
  std::vector<std::vector<double>> rows(rotation.size(), std::vector<double>(rotation.size()));
  for (uint64_t i = 0; i < rows.size(); ++i) {
    rows[i][i] = 1;
    rotation.apply(rows[i]);
  }
  return rows;
}

TEST(Rotation, IsOrthogonal) {
  for (uint64_t n : {1, 2, 3, 5, 6, 7, 8, 12, 14, 20, 22, 28, 36, 40, 60, 80, 112, 256}) {
    const auto rows = matrixOf(Rotation(n, 3, 0));
    for (uint64_t i = 0; i < n; ++i)
      for (uint64_t j = 0; j <= i; ++j) {
        double product = 0;
        for (uint64_t k = 0; k < n; ++k)
          product += rows[i][k] * rows[j][k];
        ASSERT_NEAR(product, i == j ? 1 : 0, 1e-12) << n << ": " << i << ", " << j;
      }
  }
}

TEST(Rotation, SpreadsAChannelEvenlyWhereThereIsAHadamardMatrix) {
  for (uint64_t n : {2, 8, 12, 20, 28, 36, 40, 44, 60, 128, 160, 896, 1536, 3584, 5120}) {
    std::vector<double> row(n);
    row[n / 3] = 1;
    Rotation(n, 0, 0).apply(row);
    for (double value : row)
      ASSERT_NEAR(std::abs(value), 1 / std::sqrt(double(n)), 1e-12) << n;
  }
}

TEST(Rotation, SpreadsItOverAllInEveryOtherWidth) {
  for (uint64_t n : {3, 6, 7, 10, 14, 33, 46}) {
    std::vector<double> row(n);
    row[n / 3] = 1;
    Rotation(n, 0, 0).apply(row);
    for (double value : row)
      ASSERT_LE(std::abs(value), 1.5 / std::sqrt(double(n))) << n;
  }
}

TEST(Rotation, FactorsOfPublishedWidths) {
  EXPECT_EQ(Rotation(4096, 0, 0).oddOrder(), 1u);
  EXPECT_EQ(Rotation(5120, 0, 0).oddOrder(), 20u);
  EXPECT_EQ(Rotation(3584, 0, 0).oddOrder(), 28u);
  EXPECT_EQ(Rotation(896, 0, 0).oddOrder(), 28u);
  EXPECT_EQ(Rotation(80, 0, 0).oddOrder(), 20u);
  EXPECT_EQ(Rotation(10, 0, 0).oddOrder(), 5u); // a cosine transform: there is no order of 10
}

TEST(Rotation, DependsOnSeedAndStream) {
  const auto first = matrixOf(Rotation(64, 1, 0));
  EXPECT_EQ(matrixOf(Rotation(64, 1, 0)), first);
  EXPECT_NE(matrixOf(Rotation(64, 2, 0)), first);
  EXPECT_NE(matrixOf(Rotation(64, 1, 1)), first);
}

} // namespace
} // namespace vinci
