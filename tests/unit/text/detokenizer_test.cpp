#include "runtime/text/detokenizer.h"

#include "tests/unit/text/text_test.h"

namespace vinci {
namespace {

TEST(Detokenizer, NeverGivesHalfACharacter) {
  Tokenizer tokenizer = Tokenizer::fromJson("t.json", smallTokenizer().dump());
  Detokenizer detokenizer(tokenizer, false);
  EXPECT_EQ(detokenizer.push('a'), "a");
  EXPECT_EQ(detokenizer.push(0xF0), "");
  EXPECT_EQ(detokenizer.push(0x9F), "");
  EXPECT_EQ(detokenizer.push(0x98), "");
  EXPECT_EQ(detokenizer.push(0x80), "😀");
  EXPECT_EQ(detokenizer.push(0xE5), "");
  EXPECT_EQ(detokenizer.push('b'), "\uFFFDb");
  EXPECT_EQ(detokenizer.push(0xE5), "");
  EXPECT_EQ(detokenizer.flush(), "\uFFFD");
  EXPECT_EQ(detokenizer.flush(), "");
  EXPECT_EQ(detokenizer.push(259), "hello");
}

TEST(Detokenizer, SkipsSpecialTokensIfAsked) {
  Tokenizer tokenizer = Tokenizer::fromJson("t.json", smallTokenizer().dump());
  Detokenizer skipping(tokenizer, true), keeping(tokenizer, false);
  EXPECT_EQ(skipping.push(261), "");
  EXPECT_EQ(skipping.push(262), "<think>");
  EXPECT_EQ(keeping.push(261), "<|end|>");
}

TEST(Detokenizer, PiecesMakeTheWhole) {
  Tokenizer tokenizer = Tokenizer::fromJson("t.json", smallTokenizer().dump());
  std::mt19937 random(99);
  for (int round = 0; round < 1000; ++round) {
    std::vector<int32_t> ids =
        round % 2 ? tokenizer.encode(randomText(random, 30)) : std::vector<int32_t>();
    for (int i = 0; i < 20; ++i)
      ids.push_back(static_cast<int32_t>(random() % 270));
    bool skip = random() % 2;
    Detokenizer detokenizer(tokenizer, skip);
    std::string text;
    for (int32_t id : ids)
      text += detokenizer.push(id);
    EXPECT_EQ(text + detokenizer.flush(), tokenizer.decode(ids, skip));
  }
}

} // namespace
} // namespace vinci
