#include "frontend/limits.h"

#include <algorithm>

namespace vinci {

static constexpr int64_t largestBatch = 4096;
static constexpr int64_t largestStep = int64_t(1) << 20;
static constexpr int64_t smallestBlock = 16;
static constexpr int64_t largestBlock = 1024;
static constexpr int64_t largestCacheTokens = int64_t(1) << 31; // slot numbers are int32

static int64_t inRange(std::string_view flag, int64_t value, int64_t minimum, int64_t maximum,
                       std::string_view why = "") {
  if (value < minimum || value > maximum)
    fail("--{} is {}; an integer from {} to {}{} is expected", flag, value, minimum, maximum, why);
  return value;
}

Limits resolveLimits(const ModelSpec &spec, const RequestedLimits &requested) {
  Limits limits;
  limits.maxSeqLen =
      inRange("max-seq-len", requested.maxSeqLen.value_or(spec.maxPositionEmbeddings), 1,
              spec.maxPositionEmbeddings, " (max_position_embeddings)");
  limits.maxBatch = inRange("max-batch", requested.maxBatch.value_or(16), 1, largestBatch);

  // A step that decodes has a token of every sequence.
  int64_t step = std::max(std::min<int64_t>(512, limits.maxSeqLen), limits.maxBatch);
  limits.maxTokensPerStep =
      inRange("max-tokens-per-step", requested.maxTokensPerStep.value_or(step), limits.maxBatch,
              largestStep, " (from max-batch on)");

  limits.blockSize =
      inRange("block-size", requested.blockSize.value_or(128), smallestBlock, largestBlock);
  if (limits.blockSize % smallestBlock != 0)
    fail("--block-size is {}; a multiple of {} is expected", limits.blockSize, smallestBlock);

  auto blocks = [&](int64_t tokens) { return (tokens + limits.blockSize - 1) / limits.blockSize; };
  int64_t one = blocks(limits.maxSeqLen);
  int64_t most = (largestCacheTokens - 1) / limits.blockSize;
  int64_t batch = limits.maxBatch * blocks(std::min<int64_t>(1024, limits.maxSeqLen));
  limits.kvBlocks = inRange("kv-blocks", requested.kvBlocks.value_or(std::min(one + batch, most)),
                            one, most, " (from one sequence of max-seq-len on)");
  return limits;
}

} // namespace vinci
