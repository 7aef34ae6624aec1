#include "runtime/text/utf8.h"

namespace vinci {

static constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

namespace {
// What may follow a lead byte (Unicode 15, table 3-7): number of continuation bytes and the range
// of the first one.
struct Lead {
  uint8_t expected;
  uint8_t low;
  uint8_t high;
};
} // namespace

static bool classify(uint8_t byte, Lead &lead) {
  if (byte >= 0xC2 && byte <= 0xDF)
    lead = {1, 0x80, 0xBF};
  else if (byte >= 0xE0 && byte <= 0xEF)
    lead = {2, static_cast<uint8_t>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
  else if (byte >= 0xF0 && byte <= 0xF4)
    lead = {3, static_cast<uint8_t>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
  else
    return false;
  return true;
}

void Utf8Stream::push(std::string_view bytes, std::string &text) {
  for (char character : bytes) {
    uint8_t byte = static_cast<uint8_t>(character);
    if (expected_ > 0) {
      if (byte >= low_ && byte <= high_) {
        pending_ += character;
        low_ = 0x80;
        high_ = 0xBF;
        if (--expected_ == 0) {
          text += pending_;
          pending_.clear();
        }
        continue;
      }
      flush(text); // and look at this byte afresh
    }
    if (byte < 0x80) {
      text += character;
    } else if (Lead lead; classify(byte, lead)) {
      pending_ = character;
      expected_ = lead.expected;
      low_ = lead.low;
      high_ = lead.high;
    } else {
      text += kReplacement;
    }
  }
}

void Utf8Stream::flush(std::string &text) {
  if (expected_ > 0)
    text += kReplacement;
  pending_.clear();
  expected_ = 0;
}

size_t findInvalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    uint8_t byte = static_cast<uint8_t>(text[at]);
    if (byte < 0x80) {
      ++at;
      continue;
    }
    Lead lead;
    if (!classify(byte, lead) || text.size() - at <= lead.expected)
      return at;
    for (size_t i = 1; i <= lead.expected; ++i) {
      uint8_t next = static_cast<uint8_t>(text[at + i]);
      if (next < (i == 1 ? lead.low : 0x80) || next > (i == 1 ? lead.high : 0xBF))
        return at;
    }
    at += lead.expected + 1;
  }
  return std::string_view::npos;
}

std::string replaceInvalidUtf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  Utf8Stream stream;
  stream.push(text, result);
  stream.flush(result);
  return result;
}

void appendUtf8(std::string &text, char32_t codePoint) {
  if (codePoint < 0x80) {
    text += static_cast<char>(codePoint);
  } else if (codePoint < 0x800) {
    text += static_cast<char>(0xC0 | (codePoint >> 6));
    text += static_cast<char>(0x80 | (codePoint & 0x3F));
  } else if (codePoint < 0x10000) {
    text += static_cast<char>(0xE0 | (codePoint >> 12));
    text += static_cast<char>(0x80 | ((codePoint >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (codePoint & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | (codePoint >> 18));
    text += static_cast<char>(0x80 | ((codePoint >> 12) & 0x3F));
    text += static_cast<char>(0x80 | ((codePoint >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (codePoint & 0x3F));
  }
}

CodePoint firstCodePoint(std::string_view text) {
  uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80)
    return {lead, 1};
  size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t value = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i)
    value = (value << 6) | (static_cast<uint8_t>(text[i]) & 0x3F);
  return {value, length};
}

} // namespace vinci
