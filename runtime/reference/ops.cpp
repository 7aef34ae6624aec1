#include "runtime/reference/ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vinci::ops {

Matrix embedding(std::span<const int32_t> ids, const Matrix &table) {
  Matrix y(ids.size(), table.columns);
  for (uint64_t t = 0; t < y.rows; ++t)
    for (uint64_t c = 0; c < y.columns; ++c)
      y.at(t, c) = table.at(uint64_t(ids[t]), c);
  return y;
}

Matrix rmsNorm(const Matrix &x, const Matrix &weight, double eps, const Matrix *bias) {
  const uint64_t size = weight.rows;
  Matrix y(x.rows, x.columns);
  for (uint64_t t = 0; t < x.rows; ++t)
    for (uint64_t first = 0; first < x.columns; first += size) {
      double squares = 0;
      for (uint64_t i = 0; i < size; ++i)
        squares += double(x.at(t, first + i)) * x.at(t, first + i);
      const double norm = std::sqrt(squares / double(size) + eps);
      for (uint64_t i = 0; i < size; ++i)
        y.at(t, first + i) =
            float(x.at(t, first + i) / norm * weight.at(i, 0) + (bias ? bias->at(i, 0) : 0));
    }
  return y;
}

Matrix linear(const Matrix &x, const Matrix &weight, const Matrix *bias) {
  Matrix y(x.rows, weight.rows);
  for (uint64_t t = 0; t < x.rows; ++t)
    for (uint64_t n = 0; n < weight.rows; ++n) {
      double sum = bias ? bias->at(n, 0) : 0;
      for (uint64_t k = 0; k < weight.columns; ++k)
        sum += double(x.at(t, k)) * weight.at(n, k);
      y.at(t, n) = float(sum);
    }
  return y;
}

Matrix rope(const Matrix &x, uint64_t headDim, double theta) {
  const uint64_t half = headDim / 2;
  Matrix y(x.rows, x.columns);
  for (uint64_t t = 0; t < x.rows; ++t)
    for (uint64_t head = 0; head < x.columns; head += headDim)
      for (uint64_t i = 0; i < half; ++i) {
        // Frequency and angle are rounded to float32 because transformers does, and the models were
        // trained with it: far from the start, the last bits of a frequency turn into an angle.
        const float exponent = float(2 * i) / float(headDim);
        const float frequency = 1.0f / float(std::pow(double(float(theta)), double(exponent)));
        const float angle = float(t) * frequency;
        const double cosine = std::cos(double(angle)), sine = std::sin(double(angle));
        const float a = x.at(t, head + i), b = x.at(t, head + half + i);
        y.at(t, head + i) = float(a * cosine - b * sine);
        y.at(t, head + half + i) = float(b * cosine + a * sine);
      }
  return y;
}

/// Shifted by the largest value, so that no exponential overflows.
static std::vector<double> softmax(std::vector<double> values) {
  const double largest = *std::ranges::max_element(values);
  double sum = 0;
  for (double &value : values)
    sum += value = std::exp(value - largest);
  for (double &value : values)
    value /= sum;
  return values;
}

Matrix attention(const Matrix &q, const Matrix &k, const Matrix &v, uint64_t headDim) {
  const uint64_t heads = q.columns / headDim, kvHeads = k.columns / headDim;
  const double scale = 1 / std::sqrt(double(headDim));
  Matrix y(q.rows, q.columns);
  for (uint64_t t = 0; t < q.rows; ++t)
    for (uint64_t head = 0; head < heads; ++head) {
      const uint64_t ofQuery = head * headDim;
      const uint64_t ofKey = head / (heads / kvHeads) * headDim;
      std::vector<double> scores;
      for (uint64_t past = 0; past <= t; ++past) {
        double product = 0;
        for (uint64_t d = 0; d < headDim; ++d)
          product += double(q.at(t, ofQuery + d)) * k.at(past, ofKey + d);
        scores.push_back(product * scale);
      }
      const std::vector<double> weights = softmax(scores);
      for (uint64_t d = 0; d < headDim; ++d) {
        double sum = 0;
        for (uint64_t past = 0; past <= t; ++past)
          sum += weights[past] * v.at(past, ofKey + d);
        y.at(t, ofQuery + d) = float(sum);
      }
    }
  return y;
}

Matrix silu(const Matrix &x) {
  Matrix y = x;
  for (float &value : y.values)
    value = float(value / (1 + std::exp(-double(value))));
  return y;
}

Matrix multiply(const Matrix &a, const Matrix &b) {
  Matrix y = a;
  for (uint64_t i = 0; i < y.values.size(); ++i)
    y.values[i] = a.values[i] * b.values[i];
  return y;
}

Matrix add(const Matrix &a, const Matrix &b) {
  Matrix y = a;
  for (uint64_t i = 0; i < y.values.size(); ++i)
    y.values[i] = a.values[i] + b.values[i];
  return y;
}

Routing route(const Matrix &logits, uint64_t topK, bool normalize) {
  Routing routing{IntMatrix(logits.rows, topK), Matrix(logits.rows, topK), {}};
  for (uint64_t t = 0; t < logits.rows; ++t) {
    const float *row = &logits.at(t, 0);
    const std::vector<double> p = softmax(std::vector<double>(row, row + logits.columns));
    std::vector<int32_t> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return p[a] > p[b]; });
    double sum = 0;
    for (uint64_t j = 0; j < topK; ++j)
      sum += p[order[j]];
    for (uint64_t j = 0; j < topK; ++j) {
      routing.experts.at(t, j) = order[j];
      routing.weights.at(t, j) = float(normalize ? p[order[j]] / sum : p[order[j]]);
    }
    routing.margins.push_back(topK == p.size() ? std::numeric_limits<double>::infinity()
                                               : p[order[topK - 1]] - p[order[topK]]);
  }
  return routing;
}

Matrix combine(std::span<const Matrix> choices, const Matrix &weights) {
  Matrix y(choices[0].rows, choices[0].columns);
  for (uint64_t t = 0; t < y.rows; ++t)
    for (uint64_t c = 0; c < y.columns; ++c) {
      double sum = 0;
      for (uint64_t j = 0; j < choices.size(); ++j)
        sum += double(weights.at(t, j)) * choices[j].at(t, c);
      y.at(t, c) = float(sum);
    }
  return y;
}

} // namespace vinci::ops
