#include "runtime/text/split_pattern.h"

#include "tests/unit/text/text_test.h"

namespace vinci {
namespace {

using Pieces = std::vector<std::string_view>;

Pieces split(std::string_view regex, std::string_view text) {
  Pieces pieces;
  SplitPattern(regex, {"t.json", 4, 2}).split(text, pieces);
  return pieces;
}

std::string refusal(std::string_view regex) {
  return errorOf([&] { SplitPattern(regex, {"t.json", 4, 2}); });
}

TEST(SplitPattern, KeepsMatchesAndWhatIsBetween) {
  EXPECT_EQ(split("b+", "abbcb"), (Pieces{"a", "bb", "c", "b"}));
  EXPECT_EQ(split("x", "abc"), (Pieces{"abc"}));
  EXPECT_EQ(split("x", ""), Pieces{});
  EXPECT_EQ(split("(?=b)", "abéb"), (Pieces{"a", "bé", "b"})); // empty matches cut
  EXPECT_EQ(split("", "aé"), (Pieces{"a", "é"}));
}

TEST(SplitPattern, QwenAndGpt2) {
  EXPECT_EQ(split(kQwen2Split, "It's 12  o'CLOCK\n\n x"),
            (Pieces{"It", "'s", " ", "1", "2", " ", " o", "'CLOCK", "\n\n", " x"}));
  EXPECT_EQ(split(kGpt2Split, "It's 12  o'clock"),
            (Pieces{"It", "'s", " 12", " ", " o", "'", "clock"}));
}

// What Oniguruma means, where PCRE2 would read the same spelling otherwise.
TEST(SplitPattern, ReadsRubySyntax) {
  EXPECT_EQ(split("\\s", "a\u180Eb\u0085c\vd"), (Pieces{"a\u180Eb", "\u0085", "c", "\v", "d"}));
  EXPECT_EQ(split("[^\\s]+", "a b"), (Pieces{"a", " ", "b"}));
  EXPECT_EQ(split("\\S+", "a\u3000b"), (Pieces{"a", "\u3000", "b"}));
  EXPECT_EQ(split("\\w+", "a\u0301_1 \u00BD"),
            (Pieces{"a\u0301_1", " \u00BD"})); // ½ is no word character
  EXPECT_EQ(split("[\\w]+", "ab-c"), (Pieces{"ab", "-", "c"}));
  EXPECT_EQ(split("\\W+", "ab--c"), (Pieces{"ab", "--", "c"}));
  EXPECT_EQ(split("\\v", "a\n\v"), (Pieces{"a\n", "\v"}));
  EXPECT_EQ(split("b$", "ab\nb"), (Pieces{"a", "b", "\n", "b"}));
  EXPECT_EQ(split("\\u5317", "a北"), (Pieces{"a", "北"}));
  EXPECT_EQ(split("\\x{5317}", "a北"), (Pieces{"a", "北"}));
  EXPECT_EQ(split("[]a]", "b]a"), (Pieces{"b", "]", "a"}));
  EXPECT_EQ(split("\\p{N}{1,2}", "12345"), (Pieces{"12", "34", "5"}));
  EXPECT_EQ(split("\\p{L}++", "ab1"), (Pieces{"ab", "1"}));
}

TEST(SplitPattern, RefusesWhatItWouldMisread) {
  EXPECT_EQ(refusal("a\\b"),
            "t.json:4:2: error: the split pattern \"a\\b\" uses '\\b', which is not supported");
  for (const char *regex :
       {"\\h", "\\R", "\\K", "\\1", "\\Q", "[\\W]", "[a[b]]", "[a&&b]", "(?<n>a)", "(?m:a)",
        "(*LIMIT_MATCH=1)a", "a{1,2}+", "a{,2}", "\\pL", "\\u12", "\\x41", "[\\A]", "\\"})
    EXPECT_CONTAINS(refusal(regex), "which is not supported");
  EXPECT_CONTAINS(refusal("(a"), "is not a regular expression: missing closing parenthesis");
  EXPECT_CONTAINS(refusal("\\p{Nonsense}"), "is not a regular expression: unknown property");
  EXPECT_CONTAINS(refusal(std::string(20000, 'a')),
                  "a split pattern of 20000 bytes; the limit is 16384");
  EXPECT_CONTAINS(refusal(std::string(200, '(') + std::string(200, ')')),
                  "parentheses are too deeply nested");
}

TEST(SplitPattern, ExplosionIsAnErrorNotAHang) {
  std::string text(40, 'a');
  EXPECT_CONTAINS(errorOf([&] { split("(a|a)*[bc]", text); }),
                  "takes too long on a text of 40 bytes");
  EXPECT_CONTAINS(errorOf([&] { split("(a+)+[bc]", text); }), "takes too long");
}

TEST(SplitPattern, LongRunsAreNoExplosion) {
  EXPECT_EQ(split(kQwen2Split, std::string(1 << 20, ' ')).size(), 1u);
  EXPECT_EQ(split(kQwen2Split, std::string(1 << 20, 'a')).size(), 1u);
  EXPECT_EQ(split(kQwen2Split, std::string(1 << 20, ' ') + "a").size(), 2u);
}

} // namespace
} // namespace vinci
