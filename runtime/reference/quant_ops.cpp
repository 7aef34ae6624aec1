#include "runtime/reference/quant_ops.h"

#include <algorithm>
#include <cmath>

namespace vinci::ops {

static int32_t quantizeOne(float x, float scale, float offset) {
  const float value = std::nearbyint(x / scale + offset); // ties to even: the default rounding mode
  return std::isnan(value) ? 0 : int32_t(std::clamp(value, -128.0f, 127.0f));
}

IntMatrix quantize(const Matrix &x, float scale, float offset) {
  IntMatrix y(x.rows, x.columns);
  for (uint64_t i = 0; i < x.values.size(); ++i)
    y.values[i] = quantizeOne(x.values[i], scale, offset);
  return y;
}

QuantizedRows quantizeRows(const Matrix &x) {
  QuantizedRows y{IntMatrix(x.rows, x.columns), Matrix(x.rows, 1)};
  for (uint64_t t = 0; t < x.rows; ++t) {
    float largest = 0;
    for (uint64_t k = 0; k < x.columns; ++k) {
      const float magnitude = std::abs(x.at(t, k));
      if (std::isnan(magnitude) || magnitude > largest)
        largest = magnitude; // once it is NaN, nothing is larger
    }
    const float scale = y.scales.at(t, 0) = largest / 127;
    for (uint64_t k = 0; k < x.columns; ++k)
      y.values.at(t, k) = quantizeOne(x.at(t, k), scale, 0);
  }
  return y;
}

/// Exact: products are at most 2^14, and the frontend allows no sum that leaves int32.
static int32_t product(const IntMatrix &x, uint64_t t, const IntMatrix &weight, uint64_t n) {
  int32_t sum = 0;
  for (uint64_t k = 0; k < weight.columns; ++k)
    sum += x.at(t, k) * weight.at(n, k);
  return sum;
}

Matrix staticLinear(const IntMatrix &x, const IntMatrix &weight, const IntMatrix &quantBias,
                    const Matrix &deqScale) {
  Matrix y(x.rows, weight.rows);
  for (uint64_t t = 0; t < x.rows; ++t)
    for (uint64_t n = 0; n < weight.rows; ++n)
      y.at(t, n) =
          float((double(product(x, t, weight, n)) + quantBias.at(n, 0)) * deqScale.at(n, 0));
  return y;
}

Matrix dynamicLinear(const QuantizedRows &x, const IntMatrix &weight, const Matrix &weightScale,
                     const Matrix *bias) {
  Matrix y(x.values.rows, weight.rows);
  for (uint64_t t = 0; t < y.rows; ++t)
    for (uint64_t n = 0; n < weight.rows; ++n)
      y.at(t, n) =
          float(double(product(x.values, t, weight, n)) * x.scales.at(t, 0) * weightScale.at(n, 0) +
                (bias ? bias->at(n, 0) : 0));
  return y;
}

Matrix weightOnlyLinear(const Matrix &x, const IntMatrix &weight, const Matrix &weightScale,
                        const Matrix *bias) {
  Matrix y(x.rows, weight.rows);
  for (uint64_t t = 0; t < y.rows; ++t)
    for (uint64_t n = 0; n < weight.rows; ++n) {
      double sum = 0;
      for (uint64_t k = 0; k < weight.columns; ++k)
        sum += double(x.at(t, k)) * weight.at(n, k);
      y.at(t, n) = float(sum * weightScale.at(n, 0) + (bias ? bias->at(n, 0) : 0));
    }
  return y;
}

} // namespace vinci::ops
