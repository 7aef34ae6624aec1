// Files of prompts: a JSON array, or JSON Lines, of prompts in any of the forms that data sets use.
//
//   "text" · [1, 2, 3] · {"prompt": "text"} · {"ids": [1, 2, 3]} or {"prompt_ids": …} ·
//   {"messages": [{"role": "user", "content": "…"}], "tools": […], "template_args": {…}} ·
//   {"question": "…", "answer": …} (gsm8k) · {"context": "…", "input": "…", …} (LongBench)
//
// An object may also set max_tokens, temperature, top_k, top_p, repetition_penalty and seed for its
// prompt.
#pragma once

#include "runtime/text/sampler.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vinci {

/// What one prompt sets for itself; what it leaves open comes from elsewhere.
struct SamplingOverrides {
  std::optional<int64_t> maxTokens; ///< >= 1
  std::optional<double> temperature;
  std::optional<int64_t> topK;
  std::optional<double> topP;
  std::optional<double> repetitionPenalty;
  std::optional<uint64_t> seed;

  /// `params` with what is set here in place of what was there. maxTokens is the caller's to use.
  SamplingParams applyTo(SamplingParams params) const;
};

struct PromptRecord {
  enum class Kind {
    Text, ///< `text`
    Ids,  ///< `ids`, at least one
    Chat, ///< `messages` with `tools` and `templateArguments`, which may be null
  };
  Kind kind = Kind::Text;
  std::string text;
  std::vector<int32_t> ids;
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools;
  nlohmann::ordered_json templateArguments;
  SamplingOverrides sampling;
  uint32_t line = 0; ///< in a JSON Lines file: where the prompt stands
};

/// Reads a file of at least one prompt. Nothing is tokenised: ids are only known to be >= 0,
/// messages to be objects. A LongBench prompt's text is its context, an empty line, and its input.
/// Throws a user error naming file, place and the legal fields.
std::vector<PromptRecord> readPromptFile(const std::string &path);

/// The same from the text of such a file; `file` is its name in messages.
std::vector<PromptRecord> parsePrompts(const std::string &file, std::string text);

} // namespace vinci
