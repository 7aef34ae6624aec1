#include "runtime/text/added_tokens.h"

#include "runtime/text/utf8.h"

#include <algorithm>
#include <unicode/uchar.h>

namespace vinci {

// What a regular expression calls \w and \s (Unicode annex C).
static bool isWordCharacter(char32_t character) {
  UChar32 point = static_cast<UChar32>(character);
  return u_hasBinaryProperty(point, UCHAR_ALPHABETIC) ||
         (U_GET_GC_MASK(point) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL);
}

static bool isSpace(char32_t character) {
  return u_hasBinaryProperty(static_cast<UChar32>(character), UCHAR_WHITE_SPACE);
}

// Where the last character of text[0, end) begins; end > 0.
static size_t lastCharacter(std::string_view text, size_t end) {
  do
    --end;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80);
  return end;
}

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken &token) {
  startsPattern_[static_cast<uint8_t>(pattern[0])] = true;
  uint32_t node = 0;
  for (char character : pattern) {
    uint8_t byte = static_cast<uint8_t>(character);
    auto &children = nodes_[node].children;
    auto place = std::lower_bound(children.begin(), children.end(), std::pair(byte, 0u));
    if (place != children.end() && place->first == byte) {
      node = place->second;
      continue;
    }
    uint32_t created = static_cast<uint32_t>(nodes_.size());
    children.insert(place, {byte, created});
    nodes_.emplace_back();
    node = created;
  }
  if (nodes_[node].token >= 0)
    return;
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({token.id, token.lstrip, token.rstrip, token.singleWord});
}

AddedTokenMatcher::Match AddedTokenMatcher::longestAt(std::string_view text, size_t at) const {
  Match best;
  uint32_t node = 0;
  for (size_t end = at; end < text.size(); ++end) {
    uint8_t byte = static_cast<uint8_t>(text[end]);
    const auto &children = nodes_[node].children;
    auto child = std::lower_bound(children.begin(), children.end(), std::pair(byte, 0u));
    if (child == children.end() || child->first != byte)
      break;
    node = child->second;
    if (nodes_[node].token >= 0)
      best = {end + 1 - at, nodes_[node].token};
  }
  return best;
}

std::vector<AddedTokenMatcher::Piece> AddedTokenMatcher::split(std::string_view text) const {
  std::vector<Piece> pieces;
  size_t from = 0; // where the text not yet given out begins
  for (size_t at = 0; at < text.size();) {
    Match match;
    if (startsPattern_[static_cast<uint8_t>(text[at])])
      match = longestAt(text, at);
    if (match.token < 0) {
      ++at;
      continue;
    }
    size_t start = at, stop = at + match.length;
    at = stop; // a match that the rules below discard still uses up its text
    const Rule &rule = tokens_[match.token];
    if (rule.singleWord) {
      bool touchedBefore =
          start > 0 &&
          isWordCharacter(firstCodePoint(text.substr(lastCharacter(text, start))).value);
      bool touchedAfter =
          stop < text.size() && isWordCharacter(firstCodePoint(text.substr(stop)).value);
      if (touchedBefore || touchedAfter)
        continue;
    }
    if (rule.lstrip)
      while (start > from && isSpace(firstCodePoint(text.substr(lastCharacter(text, start))).value))
        start = lastCharacter(text, start);
    if (rule.rstrip)
      while (stop < text.size() && isSpace(firstCodePoint(text.substr(stop)).value))
        stop += firstCodePoint(text.substr(stop)).length;
    if (start > from)
      pieces.push_back({text.substr(from, start - from)});
    pieces.push_back({text.substr(start, stop - start), rule.id});
    from = stop;
  }
  if (from < text.size())
    pieces.push_back({text.substr(from)});
  return pieces;
}

} // namespace vinci
