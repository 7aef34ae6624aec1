// UTF-8 as text crosses Vinci's border: what is not UTF-8 becomes U+FFFD, in the way of Python's
// bytes.decode("utf-8", "replace") and Rust's String::from_utf8_lossy (one U+FFFD for each maximal
// ill-formed part).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vinci {

/// Turns bytes that come in pieces into text that is whole UTF-8 after every piece.
class Utf8Stream {
public:
  /// Appends to `text` all characters that `bytes` complete.
  void push(std::string_view bytes, std::string &text);
  /// Appends U+FFFD to `text` if the bytes so far end within a character, and forgets them.
  void flush(std::string &text);

private:
  std::string pending_;  // the beginning of one character
  uint8_t expected_ = 0; // continuation bytes still to come
  uint8_t low_ = 0x80;   // legal range of the next continuation byte
  uint8_t high_ = 0xBF;
};

/// Position of the first byte that is not valid UTF-8; npos if all is.
size_t findInvalidUtf8(std::string_view text);

/// `text` with everything that is not UTF-8 replaced by U+FFFD.
std::string replaceInvalidUtf8(std::string_view text);

/// Appends the UTF-8 form of a code point (a valid scalar value).
void appendUtf8(std::string &text, char32_t codePoint);

/// The first code point of valid, non-empty UTF-8, and how many bytes it takes.
struct CodePoint {
  char32_t value;
  size_t length;
};
CodePoint firstCodePoint(std::string_view text);

} // namespace vinci
