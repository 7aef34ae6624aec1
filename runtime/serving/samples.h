// A distribution, exactly: values with how often they occurred. Meant for many samples of few
// different values, such as the gaps between the tokens of a simulation.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vinci {

class Samples {
public:
  void add(double value, uint64_t count = 1) {
    if (value != pendingValue_) {
      flush();
      pendingValue_ = value;
    }
    pendingCount_ += count;
  }

  uint64_t count() const;
  // The rest needs a sample.
  double mean() const;
  double min() const;
  double max() const;
  /// Interpolates linearly between neighbours, as numpy.percentile does; `share` from 0 to 1.
  double percentile(double share) const;

  /// The distribution of `change` of the samples.
  Samples map(const std::function<double(double)> &change) const;

private:
  using Counted = std::vector<std::pair<double, uint64_t>>; ///< ascending

  void flush();
  const Counted &sorted() const;

  double pendingValue_ = 0; ///< equal values often come in a row
  uint64_t pendingCount_ = 0;
  std::unordered_map<double, uint64_t> counts_;
  mutable Counted sorted_; ///< what sorted() returned; empty after an add
};

} // namespace vinci
