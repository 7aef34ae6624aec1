// Which content has which token id: a one-to-one map, kept so.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vinci {

class Vocabulary {
public:
  /// Ids run from 0 to kMaxTokens - 1, so that a wild id in a file costs an error and not
  /// gigabytes.
  static constexpr int64_t kMaxTokens = int64_t(1) << 22;

  /// Adds a token. Returns false, with nothing changed, if the content has another id or the id
  /// another content.
  bool add(std::string_view content, int32_t id);

  std::optional<int32_t> idOf(std::string_view content) const;
  /// The content of `id`, or nothing where no token has it.
  std::optional<std::string_view> contentOf(int32_t id) const;
  /// The highest id + 1.
  int32_t size() const { return static_cast<int32_t>(byId_.size()); }

private:
  std::deque<std::string> contents_; // does not move what the views below refer to
  std::vector<std::string_view> byId_;
  std::unordered_map<std::string_view, int32_t> ids_;
};

/// The alphabet of byte-level BPE: each byte is written as one printable character (GPT-2's table).
/// The character that stands for `byte`, in UTF-8.
std::string_view byteLevelCharacter(uint8_t byte);
/// `bytes` in that alphabet.
std::string toByteLevel(std::string_view bytes);
/// The bytes that a token's content stands for; a content with a character outside the alphabet
/// stands for itself.
std::string fromByteLevel(std::string_view content);

} // namespace vinci
