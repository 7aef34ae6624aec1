#include "runtime/exec/whole_tensor.h"

#include "runtime/support/half.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vinci {

namespace {

double valueAt(const void *values, DType dtype, uint64_t index) {
  switch (dtype) {
  case DType::Float32:
    return static_cast<const float *>(values)[index];
  case DType::BFloat16:
    return floatOfBFloat16(static_cast<const uint16_t *>(values)[index]);
  case DType::Float16:
    return floatOfFloat16(static_cast<const uint16_t *>(values)[index]);
  case DType::Int32:
    return static_cast<const int32_t *>(values)[index];
  case DType::Int8:
    return static_cast<const int8_t *>(values)[index];
  }
  return 0;
}

/// Sums up errors one element at a time.
class ErrorSum {
public:
  void add(double a, double b) {
    ++count_;
    if (std::isfinite(a))
      error_.largest = std::max(error_.largest, std::abs(a));
    if (a == b || (std::isnan(a) && std::isnan(b)))
      return;
    const double distance = std::abs(a - b);
    const double error = std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance;
    error_.sameBits = false;
    error_.max = std::max(error_.max, error);
    sum_ += error;
  }
  TensorError result() {
    error_.mean = count_ ? sum_ / double(count_) : 0;
    return error_;
  }

private:
  TensorError error_;
  double sum_ = 0;
  uint64_t count_ = 0;
};

} // namespace

double TensorError::relative() const {
  if (max == 0)
    return 0;
  return largest == 0 ? std::numeric_limits<double>::infinity() : max / largest;
}

WholeTensor gatherTensor(const PlanTensor &tensor, const Mesh &mesh, uint64_t rows,
                         std::span<const void *const> ofRanks) {
  WholeTensor whole;
  whole.rows = rows;
  whole.parts = tensor.shard ? tensor.shard->parts() : 1;
  whole.columns = tensor.columns * whole.parts;
  whole.values.resize(whole.rows * whole.columns);
  std::vector<std::optional<uint32_t>> holders(whole.parts); // the first rank that has each part
  for (uint32_t rank = 0; rank < ofRanks.size(); ++rank) {
    const uint32_t part = tensor.shard ? partNumber(*tensor.shard, mesh, rank) : 0;
    const auto valueOf = [&](uint32_t of, uint64_t row, uint64_t column) {
      return valueAt(ofRanks[of], tensor.dtype,
                     row * tensor.rowColumns + tensor.firstColumn + column);
    };
    const auto holder = holders[part];
    ErrorSum difference;
    for (uint64_t row = 0; row < rows; ++row)
      for (uint64_t column = 0; column < tensor.columns; ++column)
        if (const double value = valueOf(rank, row, column); holder)
          difference.add(valueOf(*holder, row, column), value);
        else
          whole.values[row * whole.columns + part * tensor.columns + column] = value;
    if (!holder)
      holders[part] = rank;
    else if (const TensorError error = difference.result(); !error.sameBits && !whole.replicas)
      whole.replicas = {*holder, rank, error};
  }
  return whole;
}

std::optional<TensorError> errorBetween(const WholeTensor &a, const WholeTensor &b) {
  const uint64_t columns = std::min(a.columns, b.columns);
  const uint64_t padding = std::max(a.columns, b.columns) - columns;
  const uint32_t parts = a.columns > b.columns ? a.parts : b.parts;
  if (a.rows != b.rows || (padding != 0 && padding >= parts))
    return std::nullopt;
  ErrorSum sum;
  for (uint64_t row = 0; row < a.rows; ++row)
    for (uint64_t column = 0; column < columns; ++column)
      sum.add(a.values[row * a.columns + column], b.values[row * b.columns + column]);
  return sum.result();
}

TensorError errorBetween(std::span<const float> a, std::span<const float> b) {
  ErrorSum sum;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    sum.add(a[i], b[i]);
  return sum.result();
}

} // namespace vinci
