// References of the routing of tokens to experts.
#include "backend/kernels/reference/command.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace vinci::reference {

void moeRoute(const Command &c) {
  const uint64_t numExperts = c.size("num_experts"), topK = c.size("top_k");
  for (uint64_t t = 0; t < c.tokens() * c.size("rows_per_token"); ++t) {
    const float *logits = c.floats(2) + t * numExperts;
    const double maximum = *std::max_element(logits, logits + numExperts);
    std::vector<double> probability(numExperts);
    for (uint64_t e = 0; e < numExperts; ++e)
      probability[e] = std::exp(logits[e] - maximum);
    const double sum = std::accumulate(probability.begin(), probability.end(), 0.0);
    std::vector<int32_t> order(numExperts);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](int32_t e) { return std::pair(-probability[e], e); });
    double chosen = 0;
    for (uint64_t j = 0; j < topK; ++j)
      chosen += probability[order[j]];
    for (uint64_t j = 0; j < topK; ++j) {
      const double weight = probability[order[j]] / (c.size("norm_topk_prob") != 0 ? chosen : sum);
      c.floats(0)[t * topK + j] = static_cast<float>(weight);
      c.ints(1)[t * topK + j] = order[j];
    }
  }
}

void moeSort(const Command &c) {
  const uint64_t entries = c.tokens() * c.size("rows_per_token") * c.size("top_k");
  const int32_t first = c.size("sharded") != 0 ? c.ints(4)[0] : 0;
  const auto numExperts = static_cast<int32_t>(c.size("num_experts"));
  const int32_t *experts = c.ints(3);
  std::vector<int32_t> order; // entries of the experts that are here
  for (uint64_t entry = 0; entry < entries; ++entry) {
    c.ints(1)[entry] = -1;
    if (experts[entry] >= first && experts[entry] < first + numExperts)
      order.push_back(static_cast<int32_t>(entry));
  }
  std::ranges::sort(order, {}, [&](int32_t entry) { return std::pair(experts[entry], entry); });
  for (size_t row = 0; row < order.size(); ++row) {
    c.ints(0)[row] = order[row];
    c.ints(1)[order[row]] = static_cast<int32_t>(row);
  }
  for (int32_t e = 0; e <= numExperts; ++e)
    c.ints(2)[e] = static_cast<int32_t>(
        std::ranges::count_if(order, [&](int32_t entry) { return experts[entry] < first + e; }));
}

void moeCombine(const Command &c) {
  const uint64_t n = c.size("n"), topK = c.size("top_k");
  for (uint64_t t = 0; t < c.tokens() * c.size("rows_per_token"); ++t)
    for (uint64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (uint64_t j = t * topK; j < (t + 1) * topK; ++j)
        if (c.ints(2)[j] >= 0)
          sum += c.floats(3)[j] * c.typed(1).get(static_cast<uint64_t>(c.ints(2)[j]) * n + i);
      c.typed(0).set(t * n + i, sum);
    }
}

} // namespace vinci::reference
