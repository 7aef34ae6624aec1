// The regular expression by which a tokenizer cuts text into words.
//
// tokenizer.json holds it in the syntax of Oniguruma (Ruby), which is what Hugging Face tokenizers
// runs. Here PCRE2 runs it, and where the two read the same spelling differently the pattern is
// translated (`\s`, `\w`, `\v`, `^`, `$`) or, where that is not possible, refused by name. Matching
// time is bounded in proportion to the text's length, so that a pattern made to explode is an error
// and not a hang.
#pragma once

#include "runtime/support/error.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class SplitPattern {
public:
  /// Compiles `regex`; `position` is where it stands, for messages.
  SplitPattern(std::string_view regex, const SourcePosition &position);

  /// Appends the pieces of `text` (valid UTF-8): every match and every stretch between matches
  /// ("Isolated"), in order, none empty. Safe to call from several threads.
  void split(std::string_view text, std::vector<std::string_view> &pieces) const;

private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

/// The cut of GPT-2, which the ByteLevel pre-tokenizer applies when it says use_regex.
inline constexpr std::string_view kGpt2Split =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// The cut of Qwen2, Qwen2.5 and Qwen3.
inline constexpr std::string_view kQwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

} // namespace vinci
