#include "runtime/text/utf8.h"

#include "runtime/text/vocabulary.h"
#include "tests/unit/text/text_test.h"

namespace vinci {
namespace {

// Expectations are Python's bytes.decode("utf-8", "replace").
TEST(Utf8, ReplacesAsPythonDoes) {
  const std::pair<const char *, const char *> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\xC3\xA9\xE5\x8C\x97\xF0\x9F\x98\x80", "é北😀"},
      {"\x80", "\uFFFD"},
      {"\xC0\xAF", "\uFFFD\uFFFD"},                     // overlong
      {"\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD"},           // overlong
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},           // a surrogate
      {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"}, // beyond U+10FFFF
      {"\xF5", "\uFFFD"},
      {"\xE5\x8C", "\uFFFD"},
      {"\xE5\x8Cx", "\uFFFDx"},
      {"\xF0\x9F\x98\xC3\xA9", "\uFFFDé"},
      {"\xF0\x9F\x98\xF0\x9F\x98\x80", "\uFFFD😀"},
  };
  for (const auto &[bytes, text] : cases) {
    EXPECT_EQ(replaceInvalidUtf8(bytes), text);
    EXPECT_EQ(findInvalidUtf8(bytes) == std::string_view::npos, std::string_view(bytes) == text)
        << text;
  }
}

TEST(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(findInvalidUtf8("ab\xE5\x8C\x97\xFFz"), 5u);
  EXPECT_EQ(findInvalidUtf8("ab\xE5\x8C"), 2u);
}

TEST(Utf8, StreamGivesTheSameInAnyPieces) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i)
      bytes += static_cast<char>(random() % 3 == 0 ? random() % 256
                                                   : "\xE5\x8C\x97\xF0\x9F\x98\x80z"[random() % 8]);
    Utf8Stream stream;
    std::string streamed;
    for (size_t at = 0; at < bytes.size();) {
      size_t count = std::min<size_t>(1 + random() % 3, bytes.size() - at);
      stream.push(std::string_view(bytes).substr(at, count), streamed);
      EXPECT_EQ(findInvalidUtf8(streamed), std::string_view::npos);
      at += count;
    }
    stream.flush(streamed);
    EXPECT_EQ(streamed, replaceInvalidUtf8(bytes));
  }
}

TEST(Utf8, CodePointsThereAndBack) {
  for (char32_t point : {U'a', U'\u00e9', U'\u5317', U'\U0001F600', U'\U0010FFFF'}) {
    std::string text;
    appendUtf8(text, point);
    EXPECT_EQ(firstCodePoint(text).value, point);
    EXPECT_EQ(firstCodePoint(text).length, text.size());
  }
}

TEST(ByteLevel, SpellsEveryByte) {
  EXPECT_EQ(byteLevelCharacter('a'), "a");
  EXPECT_EQ(byteLevelCharacter(' '), "Ġ");
  EXPECT_EQ(byteLevelCharacter('\n'), "Ċ");
  EXPECT_EQ(byteLevelCharacter(0), "Ā");
  EXPECT_EQ(byteLevelCharacter(0xAD), "Ń");
  std::string all;
  for (int byte = 0; byte < 256; ++byte)
    all += static_cast<char>(byte);
  EXPECT_EQ(fromByteLevel(toByteLevel(all)), all);
  EXPECT_EQ(fromByteLevel("a b"),
            "a b"); // a space is not in the alphabet, so this stands for itself
}

TEST(Vocabulary, KeepsContentsAndIdsOneToOne) {
  Vocabulary vocabulary;
  EXPECT_TRUE(vocabulary.add("a", 3));
  EXPECT_TRUE(vocabulary.add("a", 3));
  EXPECT_FALSE(vocabulary.add("a", 4));
  EXPECT_FALSE(vocabulary.add("b", 3));
  EXPECT_EQ(vocabulary.size(), 4);
  EXPECT_EQ(vocabulary.contentOf(3), "a");
  EXPECT_EQ(vocabulary.contentOf(0), std::nullopt);
  EXPECT_EQ(vocabulary.contentOf(-1), std::nullopt);
  EXPECT_EQ(vocabulary.contentOf(4), std::nullopt);
  EXPECT_TRUE(vocabulary.add("", 0)); // a token may stand for nothing
  EXPECT_EQ(vocabulary.contentOf(0), "");
}

} // namespace
} // namespace vinci
