// References of the ops on int8. Sums are exact integers; what is done to them in float32 is part
// of the ops' definition, and done in float32 here too.
#include "backend/kernels/reference/command.h"

#include <algorithm>
#include <cmath>

namespace vinci::reference {
namespace {

int8_t toInt8(float value) {
  return std::isnan(value)
             ? int8_t{0}
             : static_cast<int8_t>(std::nearbyint(std::clamp(value, -128.0f, 127.0f)));
}

/// The int32 that a sum of products wraps to.
int32_t dot(const int8_t *x, const Elements &weights, uint64_t base, uint64_t column,
            uint64_t depth) {
  int64_t sum = 0;
  for (uint64_t k = 0; k < depth; ++k)
    sum += int64_t{x[k]} *
           static_cast<int64_t>(weights.get(base + panelIndex(column, k, depth, DType::Int8)));
  return static_cast<int32_t>(sum);
}

/// The largest absolute value, NaN above all.
float largestOf(const std::vector<float> &values) {
  float largest = 0;
  for (const float value : values)
    if (const float x = std::abs(value); std::isnan(x) || x > largest)
      largest = x;
  return largest;
}

float dynamicQuantizeRow(int8_t *out, const std::vector<float> &values, float largest) {
  const float scale = largest / 127;
  for (size_t i = 0; i < values.size(); ++i)
    out[i] = scale == 0 ? 0 : toInt8(values[i] / scale);
  return scale;
}

float dynamicQuantizeRow(int8_t *out, const std::vector<float> &values) {
  return dynamicQuantizeRow(out, values, largestOf(values));
}

/// Values as they would be in memory.
std::vector<float> stored(DType type, const std::vector<double> &values) {
  std::vector<float> result;
  for (const double value : values)
    result.push_back(static_cast<float>(roundedTo(type, value)));
  return result;
}

} // namespace

void quantizeRow(const Command &c, uint64_t row, const std::vector<double> &values) {
  const std::vector<float> x = stored(c.spec.dtype(), values);
  int8_t *out = c.bytes(0) + row * x.size();
  if (c.size("dynamic") != 0) {
    c.floats(c.index("out_scale"))[row] = dynamicQuantizeRow(out, x);
    return;
  }
  const float scale = c.floats(c.index("scale"))[0], offset = c.floats(c.index("offset"))[0];
  for (size_t i = 0; i < x.size(); ++i)
    out[i] = toInt8(x[i] / scale + offset);
}

void quantize(const Command &c) {
  const float scale = c.floats(2)[0], offset = c.floats(3)[0];
  for (uint64_t i = 0; i < c.tokens() * c.size("n"); ++i) {
    const auto x = static_cast<float>(c.typed(1).get(i));
    c.bytes(0)[i] = toInt8(x / scale + offset);
  }
}

/// Row `row` of the operand `index`.
static std::vector<float> rowOf(const Command &c, int index, uint64_t row) {
  std::vector<float> x(c.size("n"));
  for (uint64_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(c.typed(index).get(row * x.size() + i));
  return x;
}

void rowMax(const Command &c) {
  for (uint64_t row = 0; row < c.tokens() * c.size("rows_per_token"); ++row)
    c.floats(0)[row] = largestOf(rowOf(c, 1, row));
}

void dynamicQuantize(const Command &c) {
  const uint64_t n = c.size("n"), rows = c.rows();
  for (uint64_t row = 0; row < rows; ++row) {
    const std::vector<float> x = rowOf(c, 2, row);
    std::vector<float> parts = x;
    if (c.size("row_max") != 0) {
      parts.clear();
      for (uint64_t part = 0; part < c.size("parts"); ++part)
        parts.push_back(c.floats(3)[part * rows + row]);
    }
    c.floats(1)[row] = dynamicQuantizeRow(c.bytes(0) + row * n, x, largestOf(parts));
  }
}

void quantMatmul(const Command &c) {
  const uint64_t n = c.size("n"), k = c.size("k");
  for (uint64_t row = 0; row < c.tokens(); ++row)
    for (uint64_t column = 0; column < n; ++column) {
      const uint32_t sum =
          static_cast<uint32_t>(dot(c.bytes(1) + row * k, c.typed(2, DType::Int8), 0, column, k));
      const auto biased = static_cast<int32_t>(sum + static_cast<uint32_t>(c.ints(3)[column]));
      c.typed(0).set(row * n + column, static_cast<float>(biased) * c.floats(4)[column]);
    }
}

void dynamicQuantMatmul(const Command &c) {
  const uint64_t n = c.size("n"), k = c.size("k");
  for (uint64_t row = 0; row < c.rows(); ++row)
    for (uint64_t column = 0; column < n; ++column) {
      float result =
          static_cast<float>(dot(c.bytes(1) + row * k, c.typed(3, DType::Int8), 0, column, k));
      result = result * c.floats(2)[row] * c.floats(4)[column];
      if (c.size("bias") != 0)
        result += static_cast<float>(c.typed(5).get(column));
      c.typed(0).set(row * n + column, result);
    }
}

/// Calls body(row, source, expert) for the sorted rows; `source` is the row of x.
template <typename Body> static void forExpertRows(const Command &c, Body body) {
  const int32_t *rowOf = c.ints(c.index("row_of")), *offsets = c.ints(c.index("expert_offsets"));
  for (uint64_t expert = 0; expert < c.size("num_experts"); ++expert)
    for (auto row = static_cast<uint64_t>(offsets[expert]);
         row < static_cast<uint64_t>(offsets[expert + 1]); ++row)
      body(row, c.size("gather") != 0 ? static_cast<uint64_t>(rowOf[row]) / c.size("top_k") : row,
           expert);
}

/// Calls body(row, product) for the sorted rows; product(column) is of a weight of `n` columns.
template <typename Body> static void forExperts(const Command &c, uint64_t n, Body body) {
  const uint64_t k = c.size("k");
  const int x = c.index("x"), weight = c.index("w");
  const float *scale = c.floats(c.index("x_scale")), *weightScale = c.floats(c.index("w_scale"));
  forExpertRows(c, [&](uint64_t row, uint64_t source, uint64_t expert) {
    body(row, [&](uint64_t column) {
      const auto sum =
          static_cast<float>(dot(c.bytes(x) + source * k, c.typed(weight, DType::Int8),
                                 expert * panelElements(n, k, DType::Int8), column, k));
      return sum * scale[source] * weightScale[expert * n + column];
    });
  });
}

void groupedDynamicQuantMatmul(const Command &c) {
  const uint64_t n = c.size("n");
  forExperts(c, n, [&](uint64_t row, auto product) {
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0).set(row * n + column, product(column));
  });
}

void groupedMatmulSwigluQuant(const Command &c) {
  const uint64_t n = c.size("n");
  const DType type = c.spec.dtype();
  forExperts(c, 2 * n, [&](uint64_t row, auto product) {
    std::vector<double> values;
    for (uint64_t column = 0; column < n; ++column)
      values.push_back(
          gated(type, roundedTo(type, product(column)), roundedTo(type, product(n + column))));
    c.floats(1)[row] = dynamicQuantizeRow(c.bytes(0) + row * n, stored(type, values));
  });
}

/// A row of floats times a column of an int8 weight.
static double floatDot(const Command &c, uint64_t row, uint64_t base, uint64_t column) {
  const uint64_t k = c.size("k");
  const Elements x = c.typed(c.index("x")), weights = c.typed(c.index("w"), DType::Int8);
  double sum = 0;
  for (uint64_t i = 0; i < k; ++i)
    sum += x.get(row * k + i) * weights.get(base + panelIndex(column, i, k, DType::Int8));
  return sum;
}

void weightQuantMatmul(const Command &c) {
  const uint64_t n = c.size("n");
  for (uint64_t row = 0; row < c.tokens(); ++row)
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0).set(row * n + column, floatDot(c, row, 0, column) * double{c.floats(3)[column]} +
                                           (c.size("bias") != 0 ? c.typed(4).get(column) : 0.0));
}

void groupedWeightQuantMatmul(const Command &c) {
  const uint64_t n = c.size("n"), slice = panelElements(n, c.size("k"), DType::Int8);
  const float *scale = c.floats(c.index("w_scale"));
  forExpertRows(c, [&](uint64_t row, uint64_t source, uint64_t expert) {
    for (uint64_t column = 0; column < n; ++column)
      c.typed(0).set(row * n + column, floatDot(c, source, expert * slice, column) *
                                           double{scale[expert * n + column]});
  });
}

} // namespace vinci::reference
