// Continuous batching over the paged KV cache: many requests share the steps of one model.
//
// Requests are admitted first come, first served, while there is a place in the batch and there are
// KV blocks for all that the request may become; so nothing that runs is ever interrupted. Where a
// model runs in data-parallel groups, each with a batch and blocks of its own, a request goes to
// the group with the fewest. Each step takes one token of every sequence that generates, and fills
// up with chunks of prompts. What the model's graph mode captures is padded to the size of a graph,
// so that the graph can be replayed; what is larger than all of them is launched kernel by kernel,
// and counted. A request's result does not depend on the others: kernels compute each
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
  /// Told once, if decodes are larger than the largest graph.
  std::function<void(const std::string &)> warning;
};

/// How the steps so far were launched, of the kinds that the model's graph mode captures.
struct GraphUse {
  uint64_t replayed = 0;
  uint64_t paddedTokens = 0;  ///< in these
  uint64_t eagerDecodes = 0;  ///< decodes that no graph is large enough for
  uint64_t eagerPrefills = 0; ///< steps with prompts that are larger, or have no room for padding
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
  const GraphUse &graphUse() const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace vinci
