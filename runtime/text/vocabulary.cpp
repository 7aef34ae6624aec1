#include "runtime/text/vocabulary.h"

#include "runtime/text/utf8.h"

#include <array>

namespace vinci {

bool Vocabulary::add(std::string_view content, int32_t id) {
  auto known = ids_.find(content);
  if (known != ids_.end())
    return known->second == id;
  if (contentOf(id))
    return false;
  std::string_view kept = contents_.emplace_back(content);
  if (static_cast<size_t>(id) >= byId_.size())
    byId_.resize(static_cast<size_t>(id) + 1);
  byId_[static_cast<size_t>(id)] = kept;
  ids_.emplace(kept, id);
  return true;
}

std::optional<int32_t> Vocabulary::idOf(std::string_view content) const {
  auto known = ids_.find(content);
  return known == ids_.end() ? std::nullopt : std::optional(known->second);
}

std::optional<std::string_view> Vocabulary::contentOf(int32_t id) const {
  // An id without a token has a view of nothing; the token of empty content has a view of its
  // (empty) string.
  if (id < 0 || id >= size() || byId_[static_cast<size_t>(id)].data() == nullptr)
    return std::nullopt;
  return byId_[static_cast<size_t>(id)];
}

namespace {
// Printable Latin-1 bytes stand for themselves; the other 68 are numbered upwards from U+0100.
struct ByteLevelTable {
  std::array<std::string, 256> characters;
  std::array<int16_t, 0x144> bytes;

  ByteLevelTable() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      char32_t character = printable ? static_cast<char32_t>(byte) : next++;
      appendUtf8(characters[static_cast<size_t>(byte)], character);
      bytes[character] = static_cast<int16_t>(byte);
    }
  }
};
} // namespace

static const ByteLevelTable &byteLevelTable() {
  static const ByteLevelTable table;
  return table;
}

std::string_view byteLevelCharacter(uint8_t byte) {
  return byteLevelTable().characters[byte];
}

std::string toByteLevel(std::string_view bytes) {
  std::string content;
  for (char byte : bytes)
    content += byteLevelCharacter(static_cast<uint8_t>(byte));
  return content;
}

std::string fromByteLevel(std::string_view content) {
  const ByteLevelTable &table = byteLevelTable();
  std::string bytes;
  for (size_t at = 0; at < content.size();) {
    CodePoint point = firstCodePoint(content.substr(at));
    if (point.value >= table.bytes.size() || table.bytes[point.value] < 0)
      return std::string(content);
    bytes += static_cast<char>(table.bytes[point.value]);
    at += point.length;
  }
  return bytes;
}

} // namespace vinci
