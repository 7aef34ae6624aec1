// References of the ops on the paged KV cache.
#include "backend/kernels/reference/command.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vinci::reference {
namespace {

/// Where K and V of (slot, head, d) lie in the cache: see backend/kernels/README.md.
struct CacheIndex {
  uint64_t kvHeads, paddedHeadDim, blockSize;
  uint64_t pair; ///< values along the summed dimension that lie side by side

  explicit CacheIndex(const Command &c)
      : kvHeads(c.size("kv_heads")), paddedHeadDim((c.size("head_dim") + 15) / 16 * 16),
        blockSize(c.size("block_size")), pair(byteSize(c.spec.dtype()) == 2 ? 2 : 1) {}

  uint64_t headBase(uint64_t slot, uint64_t head) const {
    return (slot / blockSize * kvHeads + head) * 2 * paddedHeadDim * blockSize;
  }
  uint64_t key(uint64_t slot, uint64_t head, uint64_t d) const {
    const uint64_t token = slot % blockSize;
    return headBase(slot, head) + token / 16 * 16 * paddedHeadDim + d / pair * 16 * pair +
           token % 16 * pair + d % pair;
  }
  uint64_t value(uint64_t slot, uint64_t head, uint64_t d) const {
    const uint64_t token = slot % blockSize;
    return headBase(slot, head) + paddedHeadDim * blockSize + token / pair * pair * paddedHeadDim +
           d * pair + token % pair;
  }
};

/// Tokens over which the weights share a maximum. It matters only where weights are rounded.
size_t chunkOf(const Command &c, size_t context) {
  const uint64_t blockSize = c.size("block_size");
  if (c.spec.dtype("softmax") == DType::Float32)
    return context;
  return blockSize % 64 == 0 ? 64 : blockSize % 32 == 0 ? 32 : 16;
}

/// One query head of one token, which sees `slots`.
void attendHead(const Command &c, uint64_t token, uint64_t head,
                const std::vector<uint64_t> &slots) {
  const uint64_t headDim = c.size("head_dim"), heads = c.size("heads");
  const CacheIndex cache(c);
  const uint64_t kvHead = head / (heads / cache.kvHeads);
  const uint64_t row = (token * heads + head) * headDim;
  const auto rounded = [region = c.spec.dtype("softmax")](double value) {
    return roundedTo(region, value);
  };
  std::vector<double> scores;
  for (const uint64_t slot : slots) {
    double product = 0;
    for (uint64_t d = 0; d < headDim; ++d)
      product += c.typed(1).get(row + d) * c.typed(2).get(cache.key(slot, kvHead, d));
    scores.push_back(rounded(rounded(product) * rounded(c.spec.real("scale"))));
  }
  const size_t chunk = chunkOf(c, slots.size());
  double maximum = -INFINITY, total = 0;
  std::vector<double> sums(headDim, 0.0);
  for (size_t start = 0; start < slots.size(); start += chunk) {
    const size_t end = std::min(start + chunk, slots.size());
    const double before = maximum;
    for (size_t i = start; i < end; ++i)
      maximum = std::max(maximum, scores[i]);
    const double correction = rounded(std::exp(rounded(before - maximum)));
    total *= correction;
    for (double &sum : sums)
      sum *= correction;
    for (size_t i = start; i < end; ++i) {
      const double weight = rounded(std::exp(rounded(scores[i] - maximum)));
      total += weight;
      for (uint64_t d = 0; d < headDim; ++d)
        sums[d] += weight * c.typed(2).get(cache.value(slots[i], kvHead, d));
    }
  }
  for (uint64_t d = 0; d < headDim; ++d)
    c.typed(0).set(row + d, sums[d] / rounded(total));
}

} // namespace

void kvAppend(const Command &c) {
  const uint64_t kvHeads = c.size("kv_heads"), headDim = c.size("head_dim");
  const CacheIndex cache(c);
  for (uint64_t t = 0; t < c.tokens(); ++t) {
    if (c.ints(3)[t] < 0)
      continue;
    const auto slot = static_cast<uint64_t>(c.ints(3)[t]);
    for (uint64_t head = 0; head < kvHeads; ++head)
      for (uint64_t d = 0; d < headDim; ++d) {
        const uint64_t from = (t * kvHeads + head) * headDim + d;
        c.typed(0).set(cache.key(slot, head, d), c.typed(1).get(from));
        c.typed(0).set(cache.value(slot, head, d), c.typed(2).get(from));
      }
  }
}

void attention(const Command &c) {
  const auto blockSize = static_cast<int32_t>(c.size("block_size"));
  const int32_t *queryStart = c.ints(3), *contextLens = c.ints(4);
  for (uint64_t s = 0; s < c.dims[VINCI_DIM_SEQUENCES]; ++s) {
    const int32_t *blocks = c.ints(5) + s * c.size("max_blocks");
    for (int32_t token = queryStart[s]; token < queryStart[s + 1]; ++token) {
      const int32_t position = contextLens[s] - (queryStart[s + 1] - token);
      std::vector<uint64_t> slots;
      for (int32_t p = 0; p <= position; ++p)
        slots.push_back(static_cast<uint64_t>(blocks[p / blockSize] * blockSize + p % blockSize));
      for (uint64_t head = 0; head < c.size("heads"); ++head)
        attendHead(c, static_cast<uint64_t>(token), head, slots);
    }
  }
}

} // namespace vinci::reference
