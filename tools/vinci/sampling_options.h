// The effective sampling values of a run, and where each came from.
#pragma once

#include "runtime/plan/plan.h"
#include "runtime/text/prompt_file.h"
#include "runtime/text/sampler.h"
#include "tools/vinci/report.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace vinci {

/// The flags as given.
struct SamplingFlags {
  std::string mode; ///< "", "greedy" or "model"
  SamplingOverrides given;
};

/// Adds the flags to `command` under the heading "Sampling".
void addSamplingFlags(CLI::App &command, SamplingFlags &flags);

/// What generates one prompt's tokens.
struct EffectiveSampling {
  SamplingParams params;
  uint32_t maxTokens = 0;
  /// `{"temperature": {"value": 0.7, "origin": "generation_config.json"}, …}`
  Report report;
};

/// `outputTokens` is how many the deployment wants of this prompt, in place of its max_tokens.
/// Greedy, unless sampling is asked for: by --sampling model (generation_config.json, as
/// transformers reads it), by the flags, or by the prompt's own fields; later ones win. A top-k or
/// top-p without any temperature samples at 1. Throws Error for illegal values and for --sampling
/// greedy beside flags that sample.
EffectiveSampling resolveSampling(const SamplingFlags &flags, const fb::Generation &model,
                                  std::optional<uint32_t> outputTokens,
                                  const SamplingOverrides &prompt);

} // namespace vinci
