#include "runtime/serving/samples.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>

namespace vinci {

void Samples::flush() {
  if (pendingCount_ > 0)
    counts_[pendingValue_] += pendingCount_;
  pendingCount_ = 0;
}

const Samples::Counted &Samples::sorted() const {
  uint64_t known = 0;
  for (const auto &[value, count] : sorted_)
    known += count;
  if (known != count()) {
    sorted_.assign(counts_.begin(), counts_.end());
    if (pendingCount_ > 0)
      sorted_.emplace_back(pendingValue_, pendingCount_);
    std::ranges::sort(sorted_);
  }
  if (sorted_.empty())
    failInternal("a distribution has no samples");
  return sorted_;
}

uint64_t Samples::count() const {
  uint64_t sum = pendingCount_;
  for (const auto &[value, count] : counts_)
    sum += count;
  return sum;
}

double Samples::mean() const {
  double sum = 0;
  for (const auto &[value, count] : sorted())
    sum += value * double(count);
  return sum / double(count());
}

double Samples::min() const {
  return sorted().front().first;
}

double Samples::max() const {
  return sorted().back().first;
}

double Samples::percentile(double share) const {
  const Counted &values = sorted();
  const double rank = share * double(count() - 1);
  const auto low = uint64_t(std::floor(rank));
  uint64_t below = 0;
  auto at = values.begin();
  while (below + at->second <= low)
    below += (at++)->second;
  const bool nextIsSame = below + at->second > low + 1 || at + 1 == values.end();
  // The same value may stand twice, once as the pending one; it is then its own neighbour.
  const double high = nextIsSame ? at->first : at[1].first;
  return at->first + (high - at->first) * (rank - double(low));
}

Samples Samples::map(const std::function<double(double)> &change) const {
  Samples result;
  if (count() > 0)
    for (const auto &[value, count] : sorted())
      result.add(change(value), count);
  return result;
}

} // namespace vinci
