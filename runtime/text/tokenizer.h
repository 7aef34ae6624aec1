// Text to token ids and back: byte-level BPE as Hugging Face tokenizers does it, from the files of
// a model directory.
//
//   Tokenizer tokenizer = Tokenizer::fromDirectory("models/austen-qwen3");
//   std::vector<int32_t> ids = tokenizer.encode("It is a truth");
//   std::string text = tokenizer.decode(ids, /*skipSpecialTokens=*/true);
//
// Reads tokenizer.json, or else vocab.json with merges.txt as Qwen2Tokenizer does. A setting of
// those files that would change ids or text and is not supported is an error that names it. The
// reference is the `tokenizers` library: the clean-up of spaces that transformers' slow decode adds
// on top (clean_up_tokenization_spaces) is not done. Immutable after loading, so safe to use from
// several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class Tokenizer {
public:
  /// The longest text that encode takes, in bytes.
  static constexpr size_t kMaxTextBytes = size_t(1) << 28;

  /// Loads tokenizer.json, else vocab.json + merges.txt, with tokenizer_config.json and
  /// added_tokens.json where they are. Throws vinci::Error naming file and place.
  static Tokenizer fromDirectory(const std::string &directory);

  /// Loads the text of a tokenizer.json; `file` is its name in messages.
  static Tokenizer fromJson(const std::string &file, std::string text);

  ~Tokenizer();
  Tokenizer(Tokenizer &&) noexcept;
  Tokenizer &operator=(Tokenizer &&) noexcept;

  /// The ids of `text`. Added tokens written out in the text (<|im_end|>) are recognised; nothing
  /// is put before or after: this is Hugging Face's encode with add_special_tokens=False, and right
  /// for a rendered chat template. What is not valid UTF-8 counts as U+FFFD, as in Python's
  /// decode("utf-8", "replace").
  std::vector<int32_t> encode(std::string_view text) const;

  /// encode(), with what the post-processor's template puts round a prompt (Llama's bos token;
  /// nothing for Qwen): Hugging Face's encode with add_special_tokens=True, and right for a plain
  /// prompt.
  std::vector<int32_t> encodePrompt(std::string_view text) const;

  /// The text of `ids`, with U+FFFD for bytes that are not UTF-8. Ids without a token stand for
  /// nothing (a model's vocabulary is often padded); negative ids are an error.
  std::string decode(std::span<const int32_t> ids, bool skipSpecialTokens) const;

  /// The bytes that `id` stands for, possibly part of a character; valid as long as the tokenizer.
  std::string_view bytesOf(int32_t id) const;

  /// The id of the token whose content (in the vocabulary's spelling) this is.
  std::optional<int32_t> idOf(std::string_view content) const;

  /// The highest token id + 1, added tokens included.
  int32_t vocabularySize() const;

  bool isSpecial(int32_t id) const;

  /// Where the added tokens came from: "tokenizer.json", "tokenizer_config.json", "tokenizer.json
  /// and tokenizer_config.json", "added_tokens.json" or "Qwen2 defaults".
  const std::string &origin() const;

private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);

  std::unique_ptr<const State> state_;
};

} // namespace vinci
