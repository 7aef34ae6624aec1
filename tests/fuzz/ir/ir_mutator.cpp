#include "tests/fuzz/ir/ir_mutator.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

namespace vinci::fuzz {
namespace {

using Tokens = std::vector<Token>;

/// Tokens `begin` to `end`.
struct Span {
  size_t begin = 0, end = 0;
};

constexpr const char *interestingNumbers[] = {"0",
                                              "1",
                                              "2",
                                              "3",
                                              "5",
                                              "7",
                                              "8",
                                              "16",
                                              "63",
                                              "64",
                                              "65",
                                              "255",
                                              "4096",
                                              "65536",
                                              "1048577",
                                              "2147483647",
                                              "2147483648",
                                              "4294967295",
                                              "4294967296",
                                              "9223372036854775807",
                                              "-1",
                                              "-64",
                                              "-2147483648",
                                              "-9223372036854775808",
                                              "18446744073709551615",
                                              "0x7fffffff",
                                              "1.0e+00",
                                              "-0.0",
                                              "1.0e+308",
                                              "0x7F800000"};
constexpr const char *elementTypes[] = {"f32", "bf16",  "f16",  "i8",   "i32",  "i64",  "i1",
                                        "f64", "index", "si32", "ui16", "tf32", "none", "f8E4M3FN"};
constexpr const char *attributes[] = {"unit",
                                      "\"\"",
                                      "\"text\"",
                                      "true",
                                      "1 : i64",
                                      "-1 : i32",
                                      "0 : index",
                                      "1.5 : f64",
                                      "[]",
                                      "[1, \"a\", @b]",
                                      "{}",
                                      "@symbol",
                                      "@a::@b",
                                      "f32",
                                      "tensor<2x3xf32>",
                                      "array<i64: 1, 2>",
                                      "array<i32>",
                                      "dense<1> : tensor<2xi32>",
                                      "dense<[]> : tensor<0xf32>",
                                      "dense<1.0> : tensor<9223372036854775807xf32>",
                                      "#llm.dims<[\"tokens\"]>",
                                      "#llm.mesh<[2, 2]>",
                                      "loc(\"a\":1:1)",
                                      "() -> ()"};

bool isNameCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$';
}

bool is(const Token &token, std::string_view text) {
  return token.kind == TokenKind::Punctuation && token.text == text;
}

bool isNewline(const Token &token) {
  return token.kind == TokenKind::Blank && token.text == "\n";
}

bool opens(const Token &token) {
  return is(token, "(") || is(token, "[") || is(token, "{") || is(token, "<");
}

bool closes(const Token &token) {
  return is(token, ")") || is(token, "]") || is(token, "}") || is(token, ">");
}

std::vector<size_t> placesOf(const Tokens &tokens, TokenKind kind) {
  std::vector<size_t> places;
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].kind == kind)
      places.push_back(i);
  return places;
}

/// The place behind the bracket that closes the one at `open`.
size_t endOfGroup(const Tokens &tokens, size_t open) {
  size_t depth = 0;
  for (size_t i = open; i < tokens.size(); ++i) {
    depth += opens(tokens[i]);
    if (closes(tokens[i]) && --depth == 0)
      return i + 1;
  }
  return tokens.size();
}

/// `[…]` and the like with their brackets.
std::vector<Span> groupsOf(const Tokens &tokens) {
  std::vector<Span> groups;
  for (size_t i = 0; i < tokens.size(); ++i)
    if (opens(tokens[i]))
      groups.push_back({i, endOfGroup(tokens, i)});
  return groups;
}

/// `tensor<…>`, `!llm.kv_cache<…>`, `#llm.dims<…>`, and bare element types.
std::vector<Span> typesOf(const Tokens &tokens) {
  std::vector<Span> types;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Token &token = tokens[i];
    const bool named = token.kind == TokenKind::Type || token.text == "tensor";
    if (named && i + 1 < tokens.size() && is(tokens[i + 1], "<"))
      types.push_back({i, endOfGroup(tokens, i + 1)});
    else if (token.kind == TokenKind::Word &&
             std::ranges::find(elementTypes, token.text) != std::end(elementTypes))
      types.push_back({i, i + 1});
  }
  return types;
}

std::vector<Span> linesOf(const Tokens &tokens) {
  std::vector<Span> lines;
  for (size_t begin = 0; begin < tokens.size();) {
    size_t end = begin;
    while (end < tokens.size() && !isNewline(tokens[end]))
      ++end;
    end = std::min(end + 1, tokens.size());
    lines.push_back({begin, end});
    begin = end;
  }
  return lines;
}

/// Elements of lists: between a comma or opening bracket and the next comma or closing one.
std::vector<Span> elementsOf(const Tokens &tokens) {
  std::vector<Span> elements;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!opens(tokens[i]) && !is(tokens[i], ","))
      continue;
    size_t end = i + 1;
    while (end < tokens.size() && !closes(tokens[end]) && !is(tokens[end], ","))
      end = opens(tokens[end]) ? endOfGroup(tokens, end) : end + 1;
    if (end > i + 1)
      elements.push_back({i + 1, end});
  }
  return elements;
}

/// What stands behind `name =`, up to a comma or the end of the list.
std::vector<Span> valuesOf(const Tokens &tokens) {
  std::vector<Span> values;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!is(tokens[i], "="))
      continue;
    size_t end = i + 1;
    while (end < tokens.size() && !closes(tokens[end]) && !is(tokens[end], ",") &&
           !isNewline(tokens[end]))
      end = opens(tokens[end]) ? endOfGroup(tokens, end) : end + 1;
    if (end > i + 1)
      values.push_back({i + 1, end});
  }
  return values;
}

Tokens cut(const Tokens &tokens, Span span) {
  return {tokens.begin() + std::ptrdiff_t(span.begin), tokens.begin() + std::ptrdiff_t(span.end)};
}

void replace(Tokens &tokens, Span span, const Tokens &with) {
  const auto at = tokens.erase(tokens.begin() + std::ptrdiff_t(span.begin),
                               tokens.begin() + std::ptrdiff_t(span.end));
  tokens.insert(at, with.begin(), with.end());
}

void changeNumber(Tokens &tokens, Dice &dice) {
  const auto places = placesOf(tokens, TokenKind::Number);
  if (places.empty())
    return;
  std::string &text = tokens[dice.pick(places)].text;
  switch (dice.roll(4)) {
  case 0:
    text = tokens[dice.pick(places)].text;
    break;
  case 1: // next to what it was, where it is short enough
    if (text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos) {
      const long value = std::stol(text);
      const long near[] = {value + 1, value - 1, value * 2, value / 2};
      text = std::to_string(near[dice.roll(4)]);
      break;
    }
    [[fallthrough]];
  default:
    text = dice.pick(interestingNumbers);
  }
}

/// Another token of the same kind from the same text.
void changeReference(Tokens &tokens, Dice &dice) {
  static constexpr TokenKind kinds[] = {TokenKind::Value, TokenKind::Value, TokenKind::Symbol,
                                        TokenKind::Attribute, TokenKind::Type};
  const auto places = placesOf(tokens, dice.pick(kinds));
  if (!places.empty())
    tokens[dice.pick(places)].text = tokens[dice.pick(places)].text;
}

void changeType(Tokens &tokens, Dice &dice) {
  const auto types = typesOf(tokens);
  if (types.empty())
    return;
  const Span to = dice.pick(types);
  replace(tokens, to,
          dice.chance(50) ? cut(tokens, dice.pick(types))
                          : Tokens{{TokenKind::Word, dice.pick(elementTypes)}});
}

void changeDimension(Tokens &tokens, Dice &dice) {
  std::vector<size_t> dimensions;
  for (size_t i = 0; i + 1 < tokens.size(); ++i)
    if (is(tokens[i + 1], "x"))
      dimensions.push_back(i);
  if (dimensions.empty())
    return;
  const size_t at = dice.pick(dimensions);
  switch (dice.roll(4)) {
  case 0:
    return replace(tokens, {at, at + 2}, {});
  case 1:
    return replace(tokens, {at, at}, {tokens[at], tokens[at + 1]});
  case 2:
    tokens[at] = {TokenKind::Punctuation, "?"};
    return;
  default:
    tokens[at] = {TokenKind::Number, dice.pick(interestingNumbers)};
  }
}

void changeGroup(Tokens &tokens, Dice &dice) {
  const auto groups = groupsOf(tokens);
  if (groups.empty())
    return;
  const Span group = dice.pick(groups);
  if (dice.chance(30)) // empty it
    return replace(tokens, {group.begin + 1, std::max(group.begin + 1, group.end - 1)}, {});
  std::vector<Span> alike;
  for (const Span &other : groups)
    if (tokens[other.begin].text == tokens[group.begin].text)
      alike.push_back(other);
  replace(tokens, group, cut(tokens, dice.pick(alike)));
}

void changeElement(Tokens &tokens, Dice &dice) {
  const auto elements = elementsOf(tokens);
  if (elements.empty())
    return;
  const Span element = dice.pick(elements);
  switch (dice.roll(3)) {
  case 0: { // with one of its commas
    Span all = element;
    if (is(tokens[all.begin - 1], ","))
      --all.begin;
    else if (all.end < tokens.size() && is(tokens[all.end], ","))
      ++all.end;
    return replace(tokens, all, {});
  }
  case 1: {
    Tokens twice = cut(tokens, element);
    twice.push_back({TokenKind::Punctuation, ","});
    return replace(tokens, {element.begin, element.begin}, twice);
  }
  default:
    return replace(tokens, element, cut(tokens, dice.pick(elements)));
  }
}

void changeAttribute(Tokens &tokens, Dice &dice) {
  const auto values = valuesOf(tokens);
  if (values.empty())
    return;
  const Span value = dice.pick(values);
  replace(tokens, value,
          dice.chance(50)
              ? cut(tokens, dice.pick(values))
              : Tokens{{TokenKind::Blank, " "}, {TokenKind::Word, dice.pick(attributes)}});
}

void changeToken(Tokens &tokens, Dice &dice) {
  if (tokens.empty())
    return;
  const size_t at = dice.roll(tokens.size());
  switch (dice.roll(3)) {
  case 0:
    return replace(tokens, {at, at + 1}, {});
  case 1:
    return replace(tokens, {at, at}, {tokens[at]});
  default:
    tokens[at] = dice.pick(tokens);
  }
}

void changeLine(Tokens &tokens, const std::vector<Tokens> &others, Dice &dice) {
  const auto lines = linesOf(tokens);
  if (lines.empty())
    return;
  const Span line = dice.pick(lines);
  switch (dice.roll(5)) {
  case 0:
    return replace(tokens, line, {});
  case 1:
    return replace(tokens, {line.begin, line.begin}, cut(tokens, line));
  case 2: { // to another place
    const Tokens moved = cut(tokens, line);
    const Span before = dice.pick(lines);
    if (before.begin <= line.begin) {
      replace(tokens, line, {});
      return replace(tokens, {before.begin, before.begin}, moved);
    }
    replace(tokens, {before.begin, before.begin}, moved);
    return replace(tokens, line, {});
  }
  case 3:
    return replace(tokens, {line.begin, line.begin}, cut(tokens, dice.pick(lines)));
  default:
    return replace(tokens, dice.chance(50) ? line : Span{line.begin, line.begin},
                   dice.pick(others));
  }
}

/// A word or text of the text at hand or of the corpus.
void changeName(Tokens &tokens, TokenKind kind, const std::vector<std::string> &others,
                Dice &dice) {
  const auto places = placesOf(tokens, kind);
  if (!places.empty())
    tokens[dice.pick(places)].text =
        dice.chance(50) || others.empty() ? tokens[dice.pick(places)].text : dice.pick(others);
}

} // namespace

std::vector<Token> tokenize(std::string_view text) {
  Tokens tokens;
  const auto take = [&](TokenKind kind, size_t begin, size_t end) {
    tokens.push_back({kind, std::string(text.substr(begin, end - begin))});
    return end;
  };
  const auto endOfName = [&](size_t at) {
    while (at < text.size() && isNameCharacter(text[at]))
      ++at;
    return at;
  };
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const bool dimension = c == 'x' && !tokens.empty() &&
                           (tokens.back().kind == TokenKind::Number || is(tokens.back(), "?") ||
                            is(tokens.back(), "*"));
    if (text.substr(at).starts_with("//"))
      at = std::min(text.find('\n', at), text.size());
    else if (c == '\n')
      at = take(TokenKind::Blank, at, at + 1);
    else if (std::isspace(static_cast<unsigned char>(c)))
      at = take(TokenKind::Blank, at, std::min(text.find_first_not_of(" \t\r", at), text.size()));
    else if (dimension || text.substr(at).starts_with("->"))
      at = take(TokenKind::Punctuation, at, at + (dimension ? 1 : 2));
    else if (c == '"') {
      size_t end = at + 1;
      while (end < text.size() && text[end] != '"' && text[end] != '\n')
        end += text[end] == '\\' ? 2 : 1;
      at = take(TokenKind::String, at, std::min(end + 1, text.size()));
    } else if (std::isdigit(static_cast<unsigned char>(c)) ||
               (c == '-' && at + 1 < text.size() &&
                std::isdigit(static_cast<unsigned char>(text[at + 1])))) {
      size_t end = at + 1;
      while (end < text.size() &&
             (std::isdigit(static_cast<unsigned char>(text[end])) || text[end] == '.' ||
              text[end] == 'e' || ((text[end] == '+' || text[end] == '-') && text[end - 1] == 'e')))
        ++end;
      at = take(TokenKind::Number, at, end);
    } else if (c == '%' || c == '@' || c == '#' || c == '!') {
      size_t end = endOfName(at + 1);
      if (c == '%' && end < text.size() && (text[end] == '#' || text[end] == ':'))
        if (const size_t digits = endOfName(end + 1); digits > end + 1)
          end = digits;
      at = take(c == '%'   ? TokenKind::Value
                : c == '@' ? TokenKind::Symbol
                : c == '#' ? TokenKind::Attribute
                           : TokenKind::Type,
                at, end);
    } else if (isNameCharacter(c))
      at = take(TokenKind::Word, at, endOfName(at));
    else
      at = take(TokenKind::Punctuation, at, at + 1);
  }
  return tokens;
}

Mutator::Mutator(const std::vector<std::string> &corpus) {
  std::set<std::string> words, strings, seen;
  for (const std::string &text : corpus) {
    const Tokens tokens = tokenize(text);
    for (const Token &token : tokens)
      if (token.kind == TokenKind::Word)
        words.insert(token.text);
      else if (token.kind == TokenKind::String)
        strings.insert(token.text);
    for (const Span &line : linesOf(tokens)) {
      Tokens copy = cut(tokens, line);
      std::string spelled;
      for (const Token &token : copy)
        spelled += token.text;
      if (seen.insert(spelled).second)
        lines_.push_back(std::move(copy));
    }
  }
  for (const char *text : {"\"tokens*0\"", "\"tokens*9223372036854775807\"", "\"{layer}{layer}\"",
                           "\"{}\"", "\"\"", "\"\\00\\FF\""})
    strings.insert(text);
  words_.assign(words.begin(), words.end());
  strings_.assign(strings.begin(), strings.end());
}

std::string Mutator::mutate(std::string_view text, Dice &dice) const {
  Tokens tokens = tokenize(text);
  // Each takes most texts away from what passes look at: rather one than many.
  size_t count = dice.chance(50) ? 1 : 1 + dice.roll(4);
  if (dice.chance(3))
    count *= 5;
  for (size_t i = 0; i < count; ++i) {
    switch (dice.roll(12)) {
    case 0:
    case 1:
      changeNumber(tokens, dice);
      break;
    case 2:
      changeReference(tokens, dice);
      break;
    case 3:
      changeType(tokens, dice);
      break;
    case 4:
      changeDimension(tokens, dice);
      break;
    case 5:
      changeGroup(tokens, dice);
      break;
    case 6:
      changeElement(tokens, dice);
      break;
    case 7:
      changeAttribute(tokens, dice);
      break;
    case 8:
      changeToken(tokens, dice);
      break;
    case 9:
      changeName(tokens, TokenKind::Word, words_, dice);
      break;
    case 10:
      changeName(tokens, TokenKind::String, strings_, dice);
      break;
    default:
      changeLine(tokens, lines_, dice);
    }
  }
  std::string mutated;
  for (const Token &token : tokens)
    mutated += token.text;
  return mutated;
}

} // namespace vinci::fuzz
