// Token ids to text, one at a time, as a model generates them.
#pragma once

#include "runtime/text/tokenizer.h"
#include "runtime/text/utf8.h"

namespace vinci {

/// Gives out whole characters only: what push() and the last flush() return, put together, is
/// tokenizer.decode(all ids, skipSpecialTokens). The tokenizer must outlive it.
class Detokenizer {
public:
  Detokenizer(const Tokenizer &tokenizer, bool skipSpecialTokens)
      : tokenizer_(&tokenizer), skipSpecialTokens_(skipSpecialTokens) {}

  /// The text that `id` completes; empty while a character is only begun.
  std::string push(int32_t id) {
    std::string text;
    if (!skipSpecialTokens_ || !tokenizer_->isSpecial(id))
      stream_.push(tokenizer_->bytesOf(id), text);
    return text;
  }

  /// U+FFFD if the ids so far end within a character, else nothing. Ready for a new text
  /// afterwards.
  std::string flush() {
    std::string text;
    stream_.flush(text);
    return text;
  }

private:
  const Tokenizer *tokenizer_;
  bool skipSpecialTokens_;
  Utf8Stream stream_;
};

} // namespace vinci
