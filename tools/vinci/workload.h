// The load that a plan's deployment is measured under, for a run that is given no prompts: the
// deployment's own prompts, or else prompts made up to its lengths.
#pragma once

#include "runtime/plan/plan.h"
#include "runtime/text/prompt_file.h"
#include "runtime/text/tokenizer.h"

#include <optional>
#include <vector>

namespace vinci {

struct WorkloadRequest {
  PromptRecord prompt;
  /// What the deployment says of this request: exactly so many tokens, whatever they are. Absent:
  /// up to its max_tokens.
  std::optional<uint32_t> outputTokens;
};

/// How made-up requests come about.
struct WorkloadOptions {
  uint64_t seed = 0;
  std::optional<int64_t> maxTokens; ///< the user's, in place of the deployment's output lengths
  bool truncation = false;          ///< shorten prompts instead of refusing them
};

/// In order. Made-up prompts are ids drawn evenly from the model's ordinary tokens; their number is
/// the deployment's `requests`, else its `concurrency`, else 1. Lengths and ids depend on the seed,
/// the request's index and the deployment. `tokenizer` is null if the model has none. Throws a
/// usage error if the deployment has neither prompts nor lengths, and an error if a request is
/// longer than max_seq_len or if there are too many.
std::vector<WorkloadRequest> workloadRequests(const fb::Plan &plan, const Tokenizer *tokenizer,
                                              const WorkloadOptions &options);

} // namespace vinci
