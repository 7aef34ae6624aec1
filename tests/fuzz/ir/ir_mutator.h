// Mutations of IR text that know its tokens: another number, another type, an op less, an attribute
// of another kind, axes of another op. No MLIR in here: whatever comes out may or may not parse.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace vinci::fuzz {

/// Gives the same numbers everywhere, which the standard's distributions do not.
class Dice {
public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  /// 0 to `sides` - 1.
  size_t roll(size_t sides) { return size_t(engine_() % sides); }
  bool chance(unsigned percent) { return roll(100) < percent; }
  template <typename List> const auto &pick(const List &list) {
    return list[roll(std::size(list))];
  }

private:
  std::mt19937_64 engine_;
};

enum class TokenKind { Word, Number, String, Value, Symbol, Attribute, Type, Punctuation, Blank };

struct Token {
  TokenKind kind = TokenKind::Blank;
  std::string text;
};

/// All of `text` but its comments. Dimensions of shapes are tokens of their own.
std::vector<Token> tokenize(std::string_view text);

/// What mutations draw on besides the text at hand: the tokens and lines of a whole corpus.
class Mutator {
public:
  explicit Mutator(const std::vector<std::string> &corpus);

  /// `text` after a few mutations, one as a rule.
  std::string mutate(std::string_view text, Dice &dice) const;

private:
  std::vector<std::vector<Token>> lines_;
  std::vector<std::string> words_, strings_;
};

} // namespace vinci::fuzz
