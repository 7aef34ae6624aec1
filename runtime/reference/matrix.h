// The one container of the reference: a row-major matrix. A vector of n is a matrix of n rows and
// one column.
#pragma once

#include <cstdint>
#include <vector>

namespace vinci {

template <typename T> struct MatrixOf {
  uint64_t rows = 0, columns = 0;
  std::vector<T> values;

  MatrixOf() = default;
  /// Zeros.
  MatrixOf(uint64_t rows, uint64_t columns)
      : rows(rows), columns(columns), values(rows * columns) {}
  MatrixOf(uint64_t rows, uint64_t columns, std::vector<T> values)
      : rows(rows), columns(columns), values(std::move(values)) {}

  T &at(uint64_t row, uint64_t column) { return values[row * columns + column]; }
  const T &at(uint64_t row, uint64_t column) const { return values[row * columns + column]; }

  bool operator==(const MatrixOf &) const = default;
};

using Matrix = MatrixOf<float>;
/// Of int8 and int32: what is quantised.
using IntMatrix = MatrixOf<int32_t>;

} // namespace vinci
