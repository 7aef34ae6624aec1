// moe_route, moe_sort and moe_combine: which experts a token goes to, the order of the work, and
// the sum of the results. The experts themselves are grouped_matmul (matmul.cpp).
#include "support/kernel.h"
#include "support/math.h"

namespace {

constexpr uint64_t maxTopK = 64; // the catalogue's limit

/// The best candidates so far, best first; of equal ones, the lower index first.
struct TopK {
  uint64_t limit, count = 0;
  float probability[maxTopK];
  int32_t expert[maxTopK];

  /// Candidates must come in the order of their index.
  void add(float candidate, int32_t index) {
    if (count == limit && !(candidate > probability[count - 1]))
      return;
    uint64_t place = count < limit ? count++ : count - 1;
    for (; place > 0 && candidate > probability[place - 1]; --place) {
      probability[place] = probability[place - 1];
      expert[place] = expert[place - 1];
    }
    probability[place] = candidate;
    expert[place] = index;
  }
};

constexpr float infinity = __builtin_inff();

Floats loadLogits(const float *logits, uint64_t count) {
  const Floats values = loadUpTo(logits, count);
  return select(laneNumbers() < int32_t(count), values, splat(-infinity));
}

/// Softmax over all experts, then the top k of them.
void routeToken(float *weights, int32_t *experts, const float *logits, uint64_t numExperts,
                uint64_t topK, bool normTopKProb) {
  Floats largest = splat(-infinity);
  forLanes(numExperts, [&](uint64_t i, uint64_t count) {
    largest = __builtin_elementwise_max(largest, loadLogits(logits + i, count));
  });
  const Floats maximum = splat(maxLanes(largest));
  Floats sums = splat(0.0f);
  forLanes(numExperts, [&](uint64_t i, uint64_t count) {
    sums = sums + exp(loadLogits(logits + i, count) - maximum);
  });
  const Floats sum = splat(sumLanes(sums));

  TopK top;
  top.limit = topK;
  forLanes(numExperts, [&](uint64_t i, uint64_t count) {
    float probabilities[lanes];
    store(probabilities, exp(loadLogits(logits + i, count) - maximum) / sum);
    for (uint64_t lane = 0; lane < count; ++lane)
      top.add(probabilities[lane], int32_t(i + lane));
  });
  float total = 0.0f;
  for (uint64_t j = 0; j < topK; ++j)
    total += top.probability[j];
  for (uint64_t j = 0; j < topK; ++j) {
    weights[j] = normTopKProb ? top.probability[j] / total : top.probability[j];
    experts[j] = top.expert[j];
  }
}

/// A counting sort: by expert, and within an expert by token. `offsets` serves as the counters.
/// Entries of other experts than first..first + numExperts are left out.
void sortByExpert(int32_t *rowOf, int32_t *positionOf, int32_t *offsets, const int32_t *experts,
                  uint64_t entries, uint64_t numExperts, int32_t first) {
  const auto isHere = [=](uint64_t i) {
    return experts[i] >= first && uint64_t(experts[i] - first) < numExperts;
  };
  for (uint64_t e = 0; e <= numExperts; ++e)
    offsets[e] = 0;
  for (uint64_t i = 0; i < entries; ++i)
    if (isHere(i))
      ++offsets[experts[i] - first];
  int32_t begin = 0;
  for (uint64_t e = 0; e <= numExperts; ++e) {
    const int32_t count = offsets[e];
    offsets[e] = begin;
    begin += count;
  }
  for (uint64_t i = 0; i < entries; ++i) {
    if (!isHere(i)) {
      positionOf[i] = -1;
      continue;
    }
    const int32_t row = offsets[experts[i] - first]++;
    rowOf[row] = int32_t(i);
    positionOf[i] = row;
  }
  // Every offset now stands at the end of its expert, which is where the next one begins.
  for (uint64_t e = numExperts; e > 0; --e)
    offsets[e] = offsets[e - 1];
  offsets[0] = 0;
}

template <typename T>
void combineToken(T *out, const T *y, const int32_t *positions, const float *weights, uint64_t n,
                  uint64_t topK) {
  forLanes(n, [&](uint64_t i, uint64_t count) {
    Floats sum = splat(0.0f);
    for (uint64_t j = 0; j < topK; ++j)
      if (positions[j] >= 0)
        sum = fma(splat(weights[j]), loadUpTo(y + uint64_t(positions[j]) * n + i, count), sum);
    storeUpTo(out + i, sum, count);
  });
}

} // namespace

extern "C" void vinci_moe_route(VINCI_COMMAND, uint64_t numExperts, uint64_t topK,
                                uint64_t normTopKProb, uint64_t, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token)
    routeToken(output<float>(buffers, 0) + token * topK, output<int32_t>(buffers, 1) + token * topK,
               input<float>(buffers, 2) + token * numExperts, numExperts, topK, normTopKProb != 0);
}

extern "C" void vinci_moe_sort(VINCI_COMMAND, uint64_t numExperts, uint64_t topK,
                               uint64_t rowsPerToken, uint64_t sharded, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  if (t.rowBegin < t.rowEnd)
    sortByExpert(output<int32_t>(buffers, 0), output<int32_t>(buffers, 1),
                 output<int32_t>(buffers, 2), input<int32_t>(buffers, 3),
                 dims[VINCI_DIM_TOKENS] * rowsPerToken * topK, numExperts,
                 sharded ? *input<int32_t>(buffers, 4) : 0);
}

#define MOE_COMBINE(T, name)                                                                       \
  extern "C" void vinci_moe_combine_##name(VINCI_COMMAND, uint64_t n, uint64_t topK, uint64_t,     \
                                           VINCI_TILES) {                                          \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token)                                   \
      combineToken(output<T>(buffers, 0) + token * n, input<T>(buffers, 1),                        \
                   input<int32_t>(buffers, 2) + token * topK,                                      \
                   input<float>(buffers, 3) + token * topK, n, topK);                              \
  }
VINCI_FOR_EACH_TYPE(MOE_COMBINE)
