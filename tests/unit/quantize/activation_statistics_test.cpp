#include "runtime/quantize/activation_statistics.h"

#include "tests/unit/weights/temporary_folder.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace vinci {
namespace {

using enum CalibrationMethod;

ActivationStatistics statisticsOf(const std::vector<double> &values) {
  ActivationStatistics statistics(1);
  for (double value : values)
    statistics.add({&value, 1});
  return statistics;
}

TEST(ActivationStatistics, KeepsRangesAndChannels) {
  ActivationStatistics statistics(3);
  statistics.add(std::vector<double>{1, -7, 0});
  statistics.add(std::vector<double>{-2, 3, 0});
  EXPECT_EQ(statistics.rows(), 2u);
  EXPECT_EQ(statistics.least(), -7);
  EXPECT_EQ(statistics.most(), 3);
  EXPECT_EQ(statistics.channelMax(), (std::vector<double>{2, 7, 0}));
}

TEST(ActivationStatistics, PartsMergeIntoTheWhole) {
  const std::vector<std::vector<double>> rows = {{0, 0},     {0, 0},    {0.75, -0.3}, {0, 100},
                                                 {-2.5, 64}, {63.9, 0}, {0.01, -7},   {1, 0}};
  ActivationStatistics whole(2);
  for (const auto &row : rows)
    whole.add(row);
  for (size_t size = 1; size <= rows.size(); ++size) { // the first parts, or all, see only zeros
    ActivationStatistics merged(2);
    for (size_t first = 0; first < rows.size(); first += size) {
      ActivationStatistics part(2);
      for (size_t t = first; t < std::min(first + size, rows.size()); ++t)
        part.add(rows[t]);
      merged.merge(part);
    }
    nlohmann::json expected = whole.toJson(), json = merged.toJson();
    expected.erase("zeros"), json.erase("zeros"); // in the histogram once there is one
    EXPECT_EQ(json, expected) << size;
    EXPECT_EQ(merged.scale(Mse, 0).scale, whole.scale(Mse, 0).scale);
  }
}

TEST(ActivationStatistics, MinMaxCoversTheRange) {
  const StaticScale scale = statisticsOf({-1, 4.1, 0.5}).scale(MinMax, 0);
  EXPECT_FLOAT_EQ(scale.scale, float(5.1 / 255));
  EXPECT_EQ(scale.offset, -78); // -128 + 50
  EXPECT_NEAR(-1 / scale.scale + scale.offset, -128, 0.5);
  EXPECT_NEAR(4.1 / scale.scale + scale.offset, 127, 0.5);
}

TEST(ActivationStatistics, ZeroIsAlwaysExact) {
  EXPECT_EQ(statisticsOf({2, 5.1}).scale(MinMax, 0).offset, -128);  // the range begins at 0
  EXPECT_EQ(statisticsOf({-2, -5.1}).scale(MinMax, 0).offset, 127); // and here ends there
}

TEST(ActivationStatistics, OnlyZerosHaveAScale) {
  for (CalibrationMethod method : {MinMax, Percentile, Mse}) {
    const StaticScale scale = statisticsOf({0, 0}).scale(method, 99);
    EXPECT_EQ(scale.scale, 1);
    EXPECT_EQ(scale.offset, 0);
  }
}

/// 0.001, 0.002, … 1 and their negatives, and one value that is out of all proportion.
std::vector<double> withOutlier(double outlier) {
  std::vector<double> values = {outlier};
  for (int i = 1; i <= 1000; ++i) {
    values.push_back(i / 1000.0);
    values.push_back(-i / 1000.0);
  }
  return values;
}

TEST(ActivationStatistics, PercentileLeavesOutliersOut) {
  const StaticScale all = statisticsOf(withOutlier(20)).scale(Percentile, 100);
  EXPECT_NEAR(all.scale, 21.0 / 255, 1e-3);
  const StaticScale most = statisticsOf(withOutlier(20)).scale(Percentile, 99);
  EXPECT_NEAR(most.scale, 1.96 / 255, 1e-4);
}

TEST(ActivationStatistics, MseClipsWhatIsRare) {
  std::vector<double> values;
  for (int i = 0; i < 50; ++i)
    for (double value : withOutlier(0))
      values.push_back(value);
  values.push_back(3);
  const StaticScale plain = statisticsOf(values).scale(MinMax, 0);
  const StaticScale clipped = statisticsOf(values).scale(Mse, 0);
  EXPECT_LT(clipped.scale, 0.9 * plain.scale);
  // And leaves alone what is not.
  EXPECT_NEAR(statisticsOf(withOutlier(0)).scale(Mse, 0).scale, 2.0 / 255, 1e-3);
}

TEST(ActivationStatistics, TheOrderOfMagnitudesDoesNotMatter) {
  const std::vector<double> up = {0, 1e-6, -3e-3, 0.7, -45, 1000};
  const std::vector<double> down(up.rbegin(), up.rend());
  for (CalibrationMethod method : {Percentile, Mse}) {
    EXPECT_EQ(statisticsOf(up).scale(method, 75).scale, statisticsOf(down).scale(method, 75).scale);
  }
}

TEST(ActivationStatistics, GoesOnFromWhatWasKept) {
  ActivationStatistics whole(2), first(2);
  const std::vector<double> rows[] = {{0, 0}, {0.1, -3}, {1e-30, 70}, {-200.5, 1.0 / 3}};
  for (const std::vector<double> &row : rows)
    whole.add(row);
  for (const std::vector<double> &row : std::span(rows).first(2))
    first.add(row);
  const auto bytes = nlohmann::json::to_cbor(first.toJson());
  ActivationStatistics second = ActivationStatistics::fromJson(nlohmann::json::from_cbor(bytes));
  EXPECT_EQ(second.toJson(), first.toJson());
  for (const std::vector<double> &row : std::span(rows).last(2))
    second.add(row);
  EXPECT_EQ(second.toJson(), whole.toJson());
  EXPECT_THROW(ActivationStatistics::fromJson({{"rows", 1}}), nlohmann::json::exception);
}

TEST(ActivationStatistics, RefusesWhatIsNoNumber) {
  for (double value :
       {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    EXPECT_CONTAINS(messageOf([&] { statisticsOf({1, value}); }), "in calibration");
}

} // namespace
} // namespace vinci
