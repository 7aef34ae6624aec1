#include "runtime/support/json_edit.h"

namespace vinci {

static size_t offsetOf(const std::string &text, const SourcePosition &position) {
  size_t line = 0;
  for (uint32_t i = 1; i < position.line; ++i)
    line = text.find('\n', line) + 1;
  return line + position.column - 1;
}

/// Where the scalar that begins at `begin` ends; the text is well-formed.
static size_t endOfScalar(const std::string &text, size_t begin) {
  if (text[begin] != '"')
    return std::min(text.find_first_of(",]} \t\r\n", begin), text.size());
  size_t end = begin + 1;
  while (text[end] != '"')
    end += text[end] == '\\' ? 2 : 1;
  return end + 1;
}

std::string withMember(const JsonDocument &document, std::string_view key, std::string_view value) {
  std::string text = document.text();
  const JsonValue root = document.root();
  if (const std::optional<JsonValue> old = root.find(key)) {
    if (old->isObject() || old->isArray())
      old->failExpected(key, "a text, a number or a truth value");
    const size_t begin = offsetOf(text, old->position());
    return text.replace(begin, endOfScalar(text, begin) - begin, value);
  }
  const size_t brace = offsetOf(text, root.position()) + 1;
  return text.insert(brace,
                     fmt::format("\n  \"{}\": {}{}", key, value, root.size() > 0 ? "," : "\n"));
}

} // namespace vinci
