#include "runtime/quantize/activation_statistics.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace vinci {

/// Enough that a step of int8 is some bins wide, unless the range lies on one side of zero only by
/// accident.
static constexpr size_t bins = 8192;

static size_t binOf(double value, double limit) {
  return std::min(size_t((value + limit) / (2 * limit) * bins), bins - 1);
}

void ActivationStatistics::widen(double magnitude) {
  if (limit_ == 0) {
    limit_ = std::exp2(std::floor(std::log2(magnitude)) + 1);
    histogram_.assign(bins, 0);
    histogram_[bins / 2] = zeros_;
  }
  while (magnitude >= limit_) {
    std::vector<uint64_t> wider(bins);
    for (size_t i = 0; i < bins; ++i)
      wider[(i + bins / 2) / 2] += histogram_[i];
    histogram_ = std::move(wider);
    limit_ *= 2;
  }
}

void ActivationStatistics::add(std::span<const double> row) {
  ++rows_;
  for (size_t i = 0; i < row.size(); ++i) {
    const double value = row[i];
    if (!std::isfinite(value))
      fail("the model computes {} in calibration; its weights or its dtype are at fault", value);
    least_ = std::min(least_, value);
    most_ = std::max(most_, value);
    channelMax_[i] = std::max(channelMax_[i], std::abs(value));
    if (value != 0 && std::abs(value) >= limit_)
      widen(std::abs(value));
    if (limit_ == 0)
      ++zeros_;
    else
      ++histogram_[binOf(value, limit_)];
  }
}

void ActivationStatistics::merge(const ActivationStatistics &other) {
  rows_ += other.rows_;
  least_ = std::min(least_, other.least_);
  most_ = std::max(most_, other.most_);
  for (size_t i = 0; i < channelMax_.size(); ++i)
    channelMax_[i] = std::max(channelMax_[i], other.channelMax_[i]);
  if (other.limit_ == 0) {
    (limit_ == 0 ? zeros_ : histogram_[bins / 2]) += other.zeros_;
    return;
  }
  ActivationStatistics widened = other;
  const double limit = std::max(limit_, other.limit_);
  for (ActivationStatistics *each : {this, &widened})
    each->widen(limit / 2); // the least that needs this limit
  for (size_t i = 0; i < bins; ++i)
    histogram_[i] += widened.histogram_[i];
}

nlohmann::json ActivationStatistics::toJson() const {
  return {
      {"rows", rows_},   {"least", least_},         {"most", most_},  {"channel_max", channelMax_},
      {"limit", limit_}, {"histogram", histogram_}, {"zeros", zeros_}};
}

ActivationStatistics ActivationStatistics::fromJson(const nlohmann::json &json) {
  ActivationStatistics statistics(0);
  json.at("rows").get_to(statistics.rows_);
  json.at("least").get_to(statistics.least_);
  json.at("most").get_to(statistics.most_);
  json.at("channel_max").get_to(statistics.channelMax_);
  json.at("limit").get_to(statistics.limit_);
  json.at("histogram").get_to(statistics.histogram_);
  json.at("zeros").get_to(statistics.zeros_);
  return statistics;
}

/// The value that this share of all is below; the middle of its bin.
double ActivationStatistics::valueAt(double share) const {
  uint64_t total = 0;
  for (uint64_t count : histogram_)
    total += count;
  const double wanted = share * double(total);
  uint64_t below = 0;
  for (size_t i = 0; i < bins; ++i)
    if (double(below += histogram_[i]) >= wanted)
      return (double(i) + 0.5) * 2 * limit_ / bins - limit_;
  return most_;
}

static StaticScale scaleOf(double least, double most) {
  least = std::min(least, 0.0);
  most = std::max(most, 0.0);
  const float scale = float((most - least) / 255);
  if (!(scale > 0))
    return {};
  const double offset = std::nearbyint(-128 - least / double(scale));
  return {scale, int8_t(std::clamp(offset, -128.0, 127.0))};
}

/// Of quantising what the histogram holds to the range from `least` to `most`.
double ActivationStatistics::squaredError(double least, double most) const {
  const StaticScale to = scaleOf(least, most);
  double sum = 0;
  for (size_t i = 0; i < bins; ++i) {
    if (histogram_[i] == 0)
      continue;
    const double value = (double(i) + 0.5) * 2 * limit_ / bins - limit_;
    const double rounded =
        std::clamp(std::nearbyint(value / double(to.scale) + to.offset), -128.0, 127.0);
    const double error = (rounded - to.offset) * double(to.scale) - value;
    sum += double(histogram_[i]) * error * error;
  }
  return sum;
}

StaticScale ActivationStatistics::scale(CalibrationMethod method, double percentile) const {
  if (limit_ == 0 || method == CalibrationMethod::MinMax)
    return scaleOf(least_, most_);
  if (method == CalibrationMethod::Percentile)
    return scaleOf(std::max(least_, valueAt(1 - percentile / 100)),
                   std::min(most_, valueAt(percentile / 100)));
  // Either end in its turn, twice: an outlier at one end must not cost the other its values.
  double shares[2] = {1, 1}, bestError = squaredError(least_, most_);
  for (double *share : {&shares[1], &shares[0], &shares[1], &shares[0]}) {
    double best = *share;
    for (int percent = 100; percent >= 2; percent -= 2) {
      *share = percent / 100.0;
      const double error = squaredError(shares[0] * least_, shares[1] * most_);
      if (error < bestError) {
        best = *share;
        bestError = error;
      }
    }
    *share = best;
  }
  return scaleOf(shares[0] * least_, shares[1] * most_);
}

} // namespace vinci
