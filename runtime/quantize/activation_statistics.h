// What a calibration sees of the activations that a linear reads, and the scale and offset that
// follow from it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace vinci {

/// How the range of static activations follows from those that were seen.
enum class CalibrationMethod : uint8_t {
  MinMax,     ///< all of them
  Percentile, ///< without the outermost share at either end
  Mse         ///< between the ends, each for itself, that make squared errors the least
};

/// x is clamp(round(x / scale + offset), -128, 127).
struct StaticScale {
  float scale = 1;
  int8_t offset = 0;
};

class ActivationStatistics {
public:
  explicit ActivationStatistics(uint64_t columns) : channelMax_(columns) {}

  /// A token's row. Throws Error if a value is no number: the model computes none then.
  void add(std::span<const double> row);
  /// Takes in the rows that `other`, of as many columns, has seen.
  void merge(const ActivationStatistics &other);

  uint64_t rows() const { return rows_; }
  double least() const { return least_; }
  double most() const { return most_; }
  /// The largest magnitude in each channel.
  const std::vector<double> &channelMax() const { return channelMax_; }

  /// `percentile` is of CalibrationMethod::Percentile: 99.9 leaves a thousandth out at each end.
  StaticScale scale(CalibrationMethod method, double percentile) const;

  /// All of it, exactly, for a later run to go on with.
  nlohmann::json toJson() const;
  /// Throws what nlohmann::json throws if `json` is not from toJson().
  static ActivationStatistics fromJson(const nlohmann::json &json);

private:
  double valueAt(double share) const;
  double squaredError(double least, double most) const;
  void widen(double magnitude);

  uint64_t rows_ = 0;
  double least_ = 0, most_ = 0; ///< zero is always within
  std::vector<double> channelMax_;
  double limit_ = 0; ///< of the histogram: a power of two; 0 while all values were zero
  std::vector<uint64_t> histogram_; ///< of -limit_ .. limit_
  uint64_t zeros_ = 0;              ///< that came before there was a limit
};

} // namespace vinci
