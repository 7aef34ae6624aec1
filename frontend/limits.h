// How large a step of a compiled plan may become: chosen at compile time, checked here, recorded in
// the plan.
#pragma once

#include "frontend/model_spec.h"

#include <cstdint>
#include <optional>

namespace vinci {

struct Limits {
  int64_t maxSeqLen = 0;        ///< tokens of one sequence, prompt and output
  int64_t maxTokensPerStep = 0; ///< tokens of all sequences in one step: prefill chunks and decodes
  int64_t maxBatch = 0;         ///< sequences in one step
  int64_t kvBlocks = 0;         ///< blocks of the KV cache, per layer
  int64_t blockSize = 0;        ///< tokens of a block
  int64_t maxLogitRows = 0;     ///< rows of logits in one step

  /// Entries of a row of block tables: ceil(maxSeqLen / blockSize).
  int64_t maxBlocksPerSequence() const { return (maxSeqLen + blockSize - 1) / blockSize; }
};

/// A limit that a flag or, with an origin, a file asks for.
struct RequestedLimit {
  std::optional<int64_t> value;
  SourcePosition origin;

  RequestedLimit() = default;
  RequestedLimit(int64_t value) : value(value) {}
  RequestedLimit(std::optional<int64_t> value) : value(value) {}
  RequestedLimit(std::optional<int64_t> value, SourcePosition origin)
      : value(value), origin(std::move(origin)) {}
};

/// What is asked for; the rest is filled in.
struct RequestedLimits {
  RequestedLimit maxSeqLen = {};
  RequestedLimit maxTokensPerStep = {};
  RequestedLimit maxBatch = {};
  RequestedLimit kvBlocks = {};
  RequestedLimit blockSize = {};
  RequestedLimit maxLogitRows = {};
};

/// The requested limits, and for what is not requested:
///   max-seq-len           max_position_embeddings
///   max-tokens-per-step   512, but no more than max-seq-len, and at least max-batch
///   max-batch             16
///   max-logit-rows        max-tokens-per-step
///   block-size            128
///   kv-blocks             one sequence of max-seq-len, plus max-batch sequences of 1024 tokens (of
///                         max-seq-len, if that is less)
/// Fails, naming the flag (or the place in a file), its value and what would be legal, where a
/// limit is out of range or contradicts another.
Limits resolveLimits(const ModelSpec &spec, const RequestedLimits &requested = {});

/// The limits without any request.
inline Limits defaultLimits(const ModelSpec &spec) {
  return resolveLimits(spec);
}

} // namespace vinci
