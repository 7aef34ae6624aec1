// References of the routing of tokens to experts.
#include "backend/kernels/reference/command.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace vinci::reference {

namespace {

uint64_t rowsOf(const Command &c) {
  return c.tokens() * c.size("rows_per_token");
}

std::vector<double> softmaxOf(const float *logits, uint64_t n) {
  const double maximum = *std::max_element(logits, logits + n);
  std::vector<double> probability(n);
  for (uint64_t e = 0; e < n; ++e)
    probability[e] = std::exp(logits[e] - maximum);
  const double sum = std::accumulate(probability.begin(), probability.end(), 0.0);
  for (double &value : probability)
    value /= sum;
  return probability;
}

/// Indices by falling value, the lowest first among equals.
template <typename Value> std::vector<int32_t> byValue(const Value *values, uint64_t n) {
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int32_t i) { return -values[i]; });
  return order;
}

/// Pairs of a token and a choice by expert; those of other ranks' experts are not among them.
struct Sorted {
  const int32_t *experts;
  int32_t first, numExperts;
  uint64_t pairs;
  std::vector<int32_t> order;

  /// `input` is the first input of the command, the rank's first expert comes after it.
  Sorted(const Command &c, int input)
      : experts(c.ints(input)), first(c.size("sharded") != 0 ? c.ints(input + 1)[0] : 0),
        numExperts(static_cast<int32_t>(c.size("num_experts"))),
        pairs(rowsOf(c) * c.size("top_k")) {
    for (uint64_t pair = 0; pair < pairs; ++pair)
      if (experts[pair] >= first && experts[pair] < first + numExperts)
        order.push_back(static_cast<int32_t>(pair));
    std::ranges::stable_sort(order, {}, [&](int32_t pair) { return experts[pair]; });
  }

  void writeOrder(int32_t *rowOf) const {
    std::fill_n(rowOf, pairs, -1);
    std::ranges::copy(order, rowOf);
  }
  void writePositions(int32_t *positionOf) const {
    std::fill_n(positionOf, pairs, -1);
    for (size_t row = 0; row < order.size(); ++row)
      positionOf[order[row]] = static_cast<int32_t>(row);
  }
  void writeOffsets(int32_t *offsets) const {
    for (int32_t e = 0; e <= numExperts; ++e)
      offsets[e] = static_cast<int32_t>(
          std::ranges::count_if(order, [&](int32_t pair) { return experts[pair] < first + e; }));
  }
};

} // namespace

void softmax(const Command &c) {
  const uint64_t n = c.size("n");
  for (uint64_t row = 0; row < rowsOf(c); ++row)
    std::ranges::copy(softmaxOf(c.floats(1) + row * n, n), c.floats(0) + row * n);
}

void topK(const Command &c) {
  const uint64_t numExperts = c.size("num_experts"), k = c.size("top_k");
  for (uint64_t row = 0; row < rowsOf(c); ++row) {
    const float *values = c.floats(2) + row * numExperts;
    const std::vector<int32_t> order = byValue(values, numExperts);
    for (uint64_t j = 0; j < k; ++j) {
      c.floats(0)[row * k + j] = values[order[j]];
      c.ints(1)[row * k + j] = order[j];
    }
  }
}

void normalizeRows(const Command &c) {
  const uint64_t n = c.size("n");
  for (uint64_t row = 0; row < rowsOf(c); ++row) {
    const float *x = c.floats(1) + row * n;
    const double sum = std::accumulate(x, x + n, 0.0);
    for (uint64_t i = 0; i < n; ++i)
      c.floats(0)[row * n + i] = static_cast<float>(x[i] / sum);
  }
}

void moeRoute(const Command &c) {
  const uint64_t numExperts = c.size("num_experts"), topK = c.size("top_k");
  for (uint64_t t = 0; t < rowsOf(c); ++t) {
    const std::vector<double> probability = softmaxOf(c.floats(2) + t * numExperts, numExperts);
    const std::vector<int32_t> order = byValue(probability.data(), numExperts);
    double chosen = 0;
    for (uint64_t j = 0; j < topK; ++j)
      chosen += probability[order[j]];
    for (uint64_t j = 0; j < topK; ++j) {
      const double weight = probability[order[j]] / (c.size("norm_topk_prob") != 0 ? chosen : 1);
      c.floats(0)[t * topK + j] = static_cast<float>(weight);
      c.ints(1)[t * topK + j] = order[j];
    }
  }
}

void argsort(const Command &c) {
  Sorted(c, 1).writeOrder(c.ints(0));
}

void expertOffsets(const Command &c) {
  Sorted(c, 1).writeOffsets(c.ints(0));
}

void inversePermutation(const Command &c) {
  const int32_t *rowOf = c.ints(1);
  for (uint64_t pair = 0; pair < rowsOf(c); ++pair) {
    const int32_t *found = std::find(rowOf, rowOf + rowsOf(c), static_cast<int32_t>(pair));
    c.ints(0)[pair] = found == rowOf + rowsOf(c) ? -1 : static_cast<int32_t>(found - rowOf);
  }
}

void moeSort(const Command &c) {
  const Sorted sorted(c, 3);
  sorted.writeOrder(c.ints(0));
  sorted.writePositions(c.ints(1));
  sorted.writeOffsets(c.ints(2));
}

/// Row r of the output is row index[r] / share of the input, zeros where there is none.
static void gatherRows(const Command &c, uint64_t rows, uint64_t share) {
  const uint64_t n = c.size("n");
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t i = 0; i < n; ++i) {
      const int32_t place = c.ints(2)[row];
      c.typed(0).set(row * n + i,
                     place < 0 ? 0 : c.typed(1).get(static_cast<uint64_t>(place) / share * n + i));
    }
}

void permuteTokens(const Command &c) {
  gatherRows(c, rowsOf(c) * c.size("top_k"), c.size("top_k"));
}

void unpermuteTokens(const Command &c) {
  gatherRows(c, rowsOf(c), 1);
}

void weightedSum(const Command &c) {
  const uint64_t n = c.size("n"), topK = c.size("top_k");
  for (uint64_t t = 0; t < rowsOf(c); ++t)
    for (uint64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (uint64_t j = t * topK; j < (t + 1) * topK; ++j)
        sum += c.floats(2)[j] * c.typed(1).get(j * n + i);
      c.typed(0).set(t * n + i, sum);
    }
}

void moeCombine(const Command &c) {
  const uint64_t n = c.size("n"), topK = c.size("top_k");
  for (uint64_t t = 0; t < rowsOf(c); ++t)
    for (uint64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (uint64_t j = t * topK; j < (t + 1) * topK; ++j)
        if (c.ints(2)[j] >= 0)
          sum += c.floats(3)[j] * c.typed(1).get(static_cast<uint64_t>(c.ints(2)[j]) * n + i);
      c.typed(0).set(t * n + i, sum);
    }
}

} // namespace vinci::reference
