// Continuous batching over the paged KV cache: many requests share the steps of one model.
//
// Requests are admitted first come, first served, while there is a place in the batch and there are
// KV blocks for all that the request may become; so nothing that runs is ever interrupted. Where a
// model runs in data-parallel groups, each with a batch and blocks of its own, a request goes to
// the group with the fewest. Each step takes one token of every sequence that generates, and fills
// up with chunks of prompts. A request's result does not depend on the others: kernels compute each
// row alone, and sampling depends on seed and position only.
#pragma once

#include "runtime/exec/step_runner.h"
#include "runtime/text/sampler.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace vinci {

struct Request {
  uint64_t id = 0; ///< the caller's; comes back in the result
  std::vector<int32_t> promptIds;
  SamplingParams sampling;
  uint32_t maxTokens = 0; ///< generate at most so many
  std::vector<int32_t> eosIds;
  bool ignoreEos = false;

  /// Called for each generated id, as soon as it is known.
  std::function<void(int32_t)> onToken;
  /// Called, in order, with the logits that predict id `position + 1` of prompt + generated ids,
  /// for every position from 0 on: prompt + generated - 1 rows. Costs the logits of every prompt
  /// token.
  std::function<void(uint32_t position, std::span<const float> logits)> onLogits;
};

enum class FinishReason : uint8_t {
  Stop,   ///< an eos id was generated
  Length, ///< maxTokens were generated, or prompt and generated ids together are max_seq_len
};

/// "stop", "length".
const char *toString(FinishReason reason);

/// Wall clock of one request, from its admission; in a batch it includes the work for others in the
/// same steps.
struct RequestTiming {
  double prefillMs = 0;  ///< until the first token
  double decodeMs = 0;   ///< from the first token to the last
  double tokensPerS = 0; ///< of decoding; 0 with fewer than two tokens
};

/// Steps that the engine had run when things happened to a request, for times by another clock.
struct RequestSteps {
  uint64_t admitted = 0, firstToken = 0, finished = 0;
};

struct Result {
  uint64_t id = 0;
  std::vector<int32_t> outputIds; ///< an eos id that ended it included
  FinishReason finishReason = FinishReason::Length;
  RequestTiming timing;
  RequestSteps steps;
};

struct EngineOptions {
  /// At most so many tokens of a prompt per step; 0: max_tokens_per_step.
  uint32_t prefillChunk = 0;
};

class Engine {
public:
  /// The engine uses all KV blocks of `model`, which must outlive it.
  explicit Engine(StepRunner &model, const EngineOptions &options = {});
  ~Engine();

  /// Throws Error if the request can never be served: an empty prompt, one longer than max_seq_len,
  /// a token outside the vocabulary, bad sampling parameters, more KV blocks than there are.
  void submit(Request request);
  /// Serves everything that was submitted. The results are in the order of submission.
  std::vector<Result> run();

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace vinci
