// Routing of tokens to experts, in steps and fused: which experts a token goes to (softmax, top_k,
// normalize_rows; moe_route), the order of the work (argsort, inverse_permutation, expert_offsets;
// moe_sort), the rows of the experts (permute_tokens) and the sum of what they say
// (unpermute_tokens, weighted_sum; moe_combine). A fused kernel does with values in registers what
// the steps do with stored ones, so its results are the same bits. The experts themselves are
// grouped_matmul (matmul.cpp).
#include "support/kernel.h"
#include "support/math.h"

namespace {

// --- gating

constexpr uint64_t maxTopK = 64; // the catalogue's limit

/// The best candidates so far, best first; of equal ones, the lower index first.
struct TopK {
  uint64_t limit, count = 0;
  float value[maxTopK];
  int32_t index[maxTopK];

  explicit TopK(uint64_t limit) : limit(limit) {}

  /// Candidates must come in the order of their index.
  void add(float candidate, int32_t candidateIndex) {
    if (count == limit && !(candidate > value[count - 1]))
      return;
    uint64_t place = count < limit ? count++ : count - 1;
    for (; place > 0 && candidate > value[place - 1]; --place) {
      value[place] = value[place - 1];
      index[place] = index[place - 1];
    }
    value[place] = candidate;
    index[place] = candidateIndex;
  }

  void store(float *values, int32_t *indices) const {
    for (uint64_t j = 0; j < limit; ++j) {
      values[j] = value[j];
      indices[j] = index[j];
    }
  }
};

constexpr float infinity = __builtin_inff();

Floats loadLogits(const float *logits, uint64_t count) {
  const Floats values = loadUpTo(logits, count);
  return select(laneNumbers() < int32_t(count), values, splat(-infinity));
}

/// The softmax of a row of logits, up to 16 of its probabilities at a time.
struct Softmax {
  const float *logits;
  Floats maximum, sum;

  Softmax(const float *logits, uint64_t n) : logits(logits) {
    Floats largest = splat(-infinity);
    forLanes(n, [&](uint64_t i, uint64_t count) {
      largest = __builtin_elementwise_max(largest, loadLogits(logits + i, count));
    });
    maximum = splat(maxLanes(largest));
    Floats sums = splat(0.0f);
    forLanes(n, [&](uint64_t i, uint64_t count) {
      sums = sums + exp(loadLogits(logits + i, count) - maximum);
    });
    sum = splat(sumLanes(sums));
  }

  Floats probabilities(uint64_t i, uint64_t count) const {
    return exp(loadLogits(logits + i, count) - maximum) / sum;
  }
};

/// `out` may be `x`.
void normalizeRow(float *out, const float *x, uint64_t n) {
  float total = 0.0f;
  for (uint64_t j = 0; j < n; ++j)
    total += x[j];
  for (uint64_t j = 0; j < n; ++j)
    out[j] = x[j] / total;
}

void softmaxRow(float *out, const float *x, uint64_t n) {
  const Softmax softmax(x, n);
  forLanes(n, [&](uint64_t i, uint64_t count) {
    storeUpTo(out + i, softmax.probabilities(i, count), count);
  });
}

void topKRow(float *values, int32_t *indices, const float *x, uint64_t n, uint64_t k) {
  TopK top(k);
  for (uint64_t i = 0; i < n; ++i)
    top.add(x[i], int32_t(i));
  top.store(values, indices);
}

void routeToken(float *weights, int32_t *experts, const float *logits, uint64_t numExperts,
                uint64_t topK, bool normTopKProb) {
  const Softmax softmax(logits, numExperts);
  TopK top(topK);
  forLanes(numExperts, [&](uint64_t i, uint64_t count) {
    float probabilities[lanes];
    store(probabilities, softmax.probabilities(i, count));
    for (uint64_t lane = 0; lane < count; ++lane)
      top.add(probabilities[lane], int32_t(i + lane));
  });
  top.store(weights, experts);
  if (normTopKProb)
    normalizeRow(weights, weights, topK);
}

// --- routing

/// The experts of a rank. Pairs of a token and a choice that has another are left out.
struct ExpertRange {
  int32_t first;
  uint64_t count;

  bool has(int32_t expert) const { return expert >= first && uint64_t(expert - first) < count; }
};

/// counts[e] pairs become those of the experts below e, starting from `begin`; returns where the
/// last ends.
int32_t accumulate(int32_t *counts, uint64_t experts, int32_t begin) {
  for (uint64_t e = 0; e < experts; ++e) {
    const int32_t count = counts[e];
    counts[e] = begin;
    begin += count;
  }
  return begin;
}

void countPairs(int32_t *counts, const int32_t *experts, uint64_t pairs, ExpertRange range) {
  for (uint64_t e = 0; e < range.count; ++e)
    counts[e] = 0;
  for (uint64_t p = 0; p < pairs; ++p)
    if (range.has(experts[p]))
      ++counts[experts[p] - range.first];
}

/// Where the rows of each expert begin, and where the last ones end.
void expertOffsets(int32_t *offsets, const int32_t *experts, uint64_t pairs, ExpertRange range) {
  countPairs(offsets, experts, pairs, range);
  offsets[range.count] = accumulate(offsets, range.count, 0);
}

void fillUp(int32_t *list, uint64_t begin, uint64_t end) {
  for (uint64_t i = begin; i < end; ++i)
    list[i] = -1;
}

/// A counting sort: by expert, and within an expert by pair. The counters are on the stack, those
/// of 256 experts at a time.
void argsort(int32_t *rowOf, const int32_t *experts, uint64_t pairs, ExpertRange range) {
  constexpr uint64_t counted = 256;
  int32_t places[counted];
  int32_t end = 0;
  for (uint64_t low = 0; low < range.count; low += counted) {
    const uint64_t left = range.count - low;
    const ExpertRange here{range.first + int32_t(low), left < counted ? left : counted};
    countPairs(places, experts, pairs, here);
    end = accumulate(places, here.count, end);
    for (uint64_t p = 0; p < pairs; ++p)
      if (here.has(experts[p]))
        rowOf[places[experts[p] - here.first]++] = int32_t(p);
  }
  fillUp(rowOf, uint64_t(end), pairs);
}

void inversePermutation(int32_t *positionOf, const int32_t *rowOf, uint64_t rows) {
  fillUp(positionOf, 0, rows);
  for (uint64_t row = 0; row < rows; ++row)
    if (rowOf[row] >= 0)
      positionOf[rowOf[row]] = int32_t(row);
}

/// argsort, inverse_permutation and expert_offsets, with `offsets` as the counters.
void sortByExpert(int32_t *rowOf, int32_t *positionOf, int32_t *offsets, const int32_t *experts,
                  uint64_t pairs, ExpertRange range) {
  expertOffsets(offsets, experts, pairs, range);
  for (uint64_t p = 0; p < pairs; ++p) {
    if (!range.has(experts[p])) {
      positionOf[p] = -1;
      continue;
    }
    const int32_t row = offsets[experts[p] - range.first]++;
    rowOf[row] = int32_t(p);
    positionOf[p] = row;
  }
  fillUp(rowOf, uint64_t(offsets[range.count]), pairs);
  // Every offset now stands at the end of its expert, which is where the next one begins.
  for (uint64_t e = range.count; e > 0; --e)
    offsets[e] = offsets[e - 1];
  offsets[0] = 0;
}

// --- rows

/// Row r of the result is row index[r] / share of `from`, or zeros where index[r] is -1.
template <typename T>
void gatherRows(const Tile &t, T *out, const T *from, const int32_t *index, uint64_t n,
                uint64_t share) {
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row) {
    const int32_t place = index[row];
    forLanes(n, [&](uint64_t i, uint64_t count) {
      const Floats values =
          place >= 0 ? loadUpTo(from + uint64_t(place) / share * n + i, count) : splat(0.0f);
      storeUpTo(out + row * n + i, values, count);
    });
  }
}

/// rowOf(j) is the row of choice j, or null for one of zeros.
template <typename T, typename RowOf>
void weightedSum(T *out, const float *weights, uint64_t n, uint64_t topK, RowOf rowOf) {
  forLanes(n, [&](uint64_t i, uint64_t count) {
    Floats sum = splat(0.0f);
    for (uint64_t j = 0; j < topK; ++j) {
      const T *row = rowOf(j);
      sum = fma(splat(weights[j]), row ? loadUpTo(row + i, count) : splat(0.0f), sum);
    }
    storeUpTo(out + i, sum, count);
  });
}

} // namespace

// --- gating

extern "C" void vinci_softmax(VINCI_COMMAND, uint64_t n, uint64_t, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)
    softmaxRow(output<float>(buffers, 0) + row * n, input<float>(buffers, 1) + row * n, n);
}

extern "C" void vinci_top_k(VINCI_COMMAND, uint64_t numExperts, uint64_t topK, uint64_t,
                            VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)
    topKRow(output<float>(buffers, 0) + row * topK, output<int32_t>(buffers, 1) + row * topK,
            input<float>(buffers, 2) + row * numExperts, numExperts, topK);
}

extern "C" void vinci_normalize_rows(VINCI_COMMAND, uint64_t n, uint64_t, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  for (uint64_t row = t.rowBegin; row < t.rowEnd; ++row)
    normalizeRow(output<float>(buffers, 0) + row * n, input<float>(buffers, 1) + row * n, n);
}

extern "C" void vinci_moe_route(VINCI_COMMAND, uint64_t numExperts, uint64_t topK,
                                uint64_t normTopKProb, uint64_t, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token)
    routeToken(output<float>(buffers, 0) + token * topK, output<int32_t>(buffers, 1) + token * topK,
               input<float>(buffers, 2) + token * numExperts, numExperts, topK, normTopKProb != 0);
}

// --- routing: one tile, whatever the tokens

extern "C" void vinci_argsort(VINCI_COMMAND, uint64_t numExperts, uint64_t topK,
                              uint64_t rowsPerToken, uint64_t sharded, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  if (t.rowBegin < t.rowEnd)
    argsort(output<int32_t>(buffers, 0), input<int32_t>(buffers, 1),
            dims[VINCI_DIM_TOKENS] * rowsPerToken * topK,
            {sharded ? *input<int32_t>(buffers, 2) : 0, numExperts});
}

extern "C" void vinci_inverse_permutation(VINCI_COMMAND, uint64_t rowsPerToken, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  if (t.rowBegin < t.rowEnd)
    inversePermutation(output<int32_t>(buffers, 0), input<int32_t>(buffers, 1),
                       dims[VINCI_DIM_TOKENS] * rowsPerToken);
}

extern "C" void vinci_expert_offsets(VINCI_COMMAND, uint64_t numExperts, uint64_t topK,
                                     uint64_t rowsPerToken, uint64_t sharded, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  if (t.rowBegin < t.rowEnd)
    expertOffsets(output<int32_t>(buffers, 0), input<int32_t>(buffers, 1),
                  dims[VINCI_DIM_TOKENS] * rowsPerToken * topK,
                  {sharded ? *input<int32_t>(buffers, 2) : 0, numExperts});
}

extern "C" void vinci_moe_sort(VINCI_COMMAND, uint64_t numExperts, uint64_t topK,
                               uint64_t rowsPerToken, uint64_t sharded, VINCI_TILES) {
  const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);
  if (t.rowBegin < t.rowEnd)
    sortByExpert(output<int32_t>(buffers, 0), output<int32_t>(buffers, 1),
                 output<int32_t>(buffers, 2), input<int32_t>(buffers, 3),
                 dims[VINCI_DIM_TOKENS] * rowsPerToken * topK,
                 {sharded ? *input<int32_t>(buffers, 4) : 0, numExperts});
}

// --- rows

#define PERMUTE_TOKENS(T, name)                                                                    \
  extern "C" void vinci_permute_tokens_##name(VINCI_COMMAND, uint64_t n, uint64_t topK, uint64_t,  \
                                              VINCI_TILES) {                                       \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 1), input<int32_t>(buffers, 2), n, topK);                         \
  }
VINCI_FOR_EACH_TYPE(PERMUTE_TOKENS)

#define UNPERMUTE_TOKENS(T, name)                                                                  \
  extern "C" void vinci_unpermute_tokens_##name(VINCI_COMMAND, uint64_t n, uint64_t,               \
                                                VINCI_TILES) {                                     \
    gatherRows(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),        \
               input<T>(buffers, 1), input<int32_t>(buffers, 2), n, 1);                            \
  }
VINCI_FOR_EACH_TYPE(UNPERMUTE_TOKENS)

#define WEIGHTED_SUM(T, name)                                                                      \
  extern "C" void vinci_weighted_sum_##name(VINCI_COMMAND, uint64_t n, uint64_t topK, uint64_t,    \
                                            VINCI_TILES) {                                         \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token) {                                 \
      const T *rows = input<T>(buffers, 1) + token * topK * n;                                     \
      weightedSum(output<T>(buffers, 0) + token * n, input<float>(buffers, 2) + token * topK, n,   \
                  topK, [=](uint64_t j) { return rows + j * n; });                                 \
    }                                                                                              \
  }
VINCI_FOR_EACH_TYPE(WEIGHTED_SUM)

#define MOE_COMBINE(T, name)                                                                       \
  extern "C" void vinci_moe_combine_##name(VINCI_COMMAND, uint64_t n, uint64_t topK, uint64_t,     \
                                           VINCI_TILES) {                                          \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const T *y = input<T>(buffers, 1);                                                             \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token) {                                 \
      const int32_t *positions = input<int32_t>(buffers, 2) + token * topK;                        \
      weightedSum(output<T>(buffers, 0) + token * n, input<float>(buffers, 3) + token * topK, n,   \
                  topK, [=](uint64_t j) {                                                          \
                    return positions[j] >= 0 ? y + uint64_t(positions[j]) * n : nullptr;           \
                  });                                                                              \
    }                                                                                              \
  }
VINCI_FOR_EACH_TYPE(MOE_COMBINE)
