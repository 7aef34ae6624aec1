#include "frontend/limits.h"

#include <algorithm>

namespace vinci {

static constexpr int64_t largestBatch = 4096;
static constexpr int64_t largestStep = int64_t(1) << 20;
static constexpr int64_t smallestBlock = 16;
static constexpr int64_t largestBlock = 1024;
static constexpr int64_t largestCacheTokens = int64_t(1) << 31; // slot numbers are int32

[[noreturn]] static void failLimit(std::string_view flag, const RequestedLimit &limit,
                                   int64_t value, std::string_view expected) {
  if (limit.origin.file.empty())
    fail("--{} is {}; {} is expected", flag, value, expected);
  fail(limit.origin, "{} is {}; {} is expected", flag, value, expected);
}

static int64_t inRange(std::string_view flag, const RequestedLimit &limit, int64_t absent,
                       int64_t minimum, int64_t maximum, std::string_view why = "") {
  const int64_t value = limit.value.value_or(absent);
  if (value < minimum || value > maximum)
    failLimit(flag, limit, value, fmt::format("an integer from {} to {}{}", minimum, maximum, why));
  return value;
}

Limits resolveLimits(const ModelSpec &spec, const RequestedLimits &requested) {
  Limits limits;
  limits.maxSeqLen = inRange("max-seq-len", requested.maxSeqLen, spec.maxPositionEmbeddings, 1,
                             spec.maxPositionEmbeddings, " (max_position_embeddings)");
  limits.maxBatch = inRange("max-batch", requested.maxBatch, 16, 1, largestBatch);

  // A step that decodes has a token of every sequence.
  int64_t step = std::max(std::min<int64_t>(512, limits.maxSeqLen), limits.maxBatch);
  limits.maxTokensPerStep = inRange("max-tokens-per-step", requested.maxTokensPerStep, step,
                                    limits.maxBatch, largestStep, " (from max-batch on)");
  limits.maxLogitRows =
      inRange("max-logit-rows", requested.maxLogitRows, limits.maxTokensPerStep, limits.maxBatch,
              limits.maxTokensPerStep, " (max-batch to max-tokens-per-step)");

  limits.blockSize = inRange("block-size", requested.blockSize, 128, smallestBlock, largestBlock);
  if (limits.blockSize % smallestBlock != 0)
    failLimit("block-size", requested.blockSize, limits.blockSize,
              fmt::format("a multiple of {}", smallestBlock));

  auto blocks = [&](int64_t tokens) { return (tokens + limits.blockSize - 1) / limits.blockSize; };
  int64_t one = blocks(limits.maxSeqLen);
  int64_t most = (largestCacheTokens - 1) / limits.blockSize;
  int64_t batch = limits.maxBatch * blocks(std::min<int64_t>(1024, limits.maxSeqLen));
  limits.kvBlocks = inRange("kv-blocks", requested.kvBlocks, std::min(one + batch, most), one, most,
                            " (from one sequence of max-seq-len on)");
  return limits;
}

} // namespace vinci
