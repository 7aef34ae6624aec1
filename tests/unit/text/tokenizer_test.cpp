#include "runtime/text/tokenizer.h"

#include "runtime/text/split_pattern.h"
#include "runtime/text/utf8.h"
#include "runtime/text/vocabulary.h"
#include "tests/unit/text/text_test.h"

#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

namespace vinci {

nlohmann::json smallTokenizer() {
  nlohmann::json vocab = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[std::string(byteLevelCharacter(static_cast<uint8_t>(byte)))] = byte;
  int next = 256;
  for (const char *token : {"he", "ll", "llo", "hello", "Ġhello"})
    vocab[token] = next++;
  nlohmann::json result = nlohmann::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [
      {"id": 261, "content": "<|end|>", "special": true, "normalized": false,
       "lstrip": false, "rstrip": false, "single_word": false},
      {"id": 262, "content": "<think>", "special": false, "normalized": false,
       "lstrip": false, "rstrip": false, "single_word": false}],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
    "post_processor": {"type": "ByteLevel"},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
              "end_of_word_suffix": "", "byte_fallback": false,
              "merges": [["h", "e"], ["l", "l"], "ll o", ["he", "llo"], ["Ġ", "hello"]]}})");
  result["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = std::string(kQwen2Split);
  result["model"]["vocab"] = vocab;
  return result;
}

std::string randomText(std::mt19937 &random, size_t length) {
  static const char32_t ranges[][2] = {{0x20, 0x7E},       {0x20, 0x7E},     {0x9, 0xD},
                                       {0x80, 0x24F},      {0x300, 0x36F},   {0x4E00, 0x9FFF},
                                       {0xAC00, 0xD7A3},   {0x2000, 0x206F}, {0x1F300, 0x1FAFF},
                                       {0x1E900, 0x1E95F}, {0xE000, 0xFFFD}, {0x10000, 0x10FFFF},
                                       {0x3000, 0x3000}};
  std::string text;
  for (size_t i = 0; i < length; ++i) {
    if (random() % 40 == 0) {
      text += "<|end|>";
      continue;
    }
    const auto &range = ranges[random() % std::size(ranges)];
    appendUtf8(text, range[0] + random() % (range[1] - range[0] + 1));
  }
  return text;
}

namespace {

using Ids = std::vector<int32_t>;

Tokenizer make(const nlohmann::json &json) {
  return Tokenizer::fromJson("t.json", json.dump());
}

Ids bytes(std::string_view text) {
  Ids ids;
  for (char byte : text)
    ids.push_back(static_cast<uint8_t>(byte));
  return ids;
}

TEST(Tokenizer, MergesInTheOrderLearnt) {
  Tokenizer tokenizer = make(smallTokenizer());
  EXPECT_EQ(tokenizer.encode("hello"), (Ids{259}));
  EXPECT_EQ(tokenizer.encode("hello hello hell"), (Ids{259, 260, ' ', 256, 257}));
  EXPECT_EQ(tokenizer.encode("hel"), (Ids{256, 'l'}));
  EXPECT_EQ(tokenizer.encode("lll"), (Ids{257, 'l'}));
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST(Tokenizer, OneMissingMergeLeavesPieces) {
  nlohmann::json json = smallTokenizer();
  json["model"]["merges"].erase(3); // he + llo, so hello can only be reached whole
  json["model"]["merges"].erase(3);
  EXPECT_EQ(make(json).encode("hello"), (Ids{256, 258}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(make(json).encode("hello"), (Ids{259}));
  EXPECT_EQ(make(json).encode("hell"), (Ids{256, 257}));
}

TEST(Tokenizer, AddedTokensAreFoundInTheText) {
  Tokenizer tokenizer = make(smallTokenizer());
  EXPECT_EQ(tokenizer.encode("hello<|end|>hello"), (Ids{259, 261, 259}));
  EXPECT_EQ(tokenizer.encode("<<think>"), (Ids{'<', 262}));
  EXPECT_EQ(tokenizer.encode("<|end|"), bytes("<|end|"));
  EXPECT_EQ(tokenizer.idOf("<think>"), 262);
  EXPECT_EQ(tokenizer.idOf("Ġhello"), 260);
  EXPECT_EQ(tokenizer.idOf("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.vocabularySize(), 263);
  EXPECT_TRUE(tokenizer.isSpecial(261));
  EXPECT_FALSE(tokenizer.isSpecial(262));
  EXPECT_FALSE(tokenizer.isSpecial(-1));
  EXPECT_FALSE(tokenizer.isSpecial(100000));
  EXPECT_EQ(tokenizer.origin(), "tokenizer.json");
}

TEST(Tokenizer, LongestAddedTokenWins) {
  nlohmann::json json = smallTokenizer();
  json["added_tokens"].push_back({{"id", 263}, {"content", "<think>er"}, {"special", true}});
  EXPECT_EQ(make(json).encode("<think>er<think>e"), (Ids{263, 262, 'e'}));
}

TEST(Tokenizer, StripAndSingleWord) {
  nlohmann::json json = smallTokenizer();
  json["added_tokens"][0]["lstrip"] = true;
  json["added_tokens"][1]["rstrip"] = true;
  EXPECT_EQ(make(json).encode("a \t\u3000<|end|> b"), (Ids{'a', 261, ' ', 'b'}));
  EXPECT_EQ(make(json).encode("a <think> \n b"), (Ids{'a', ' ', 262, 'b'}));
  // What <think> took on its right, <|end|> cannot take on its left.
  EXPECT_EQ(make(json).encode("<think>  <|end|>"), (Ids{262, 261}));
  json = smallTokenizer();
  json["added_tokens"][1]["content"] = "end";
  json["added_tokens"][1]["single_word"] = true;
  EXPECT_EQ(make(json).encode("end"), (Ids{262}));
  EXPECT_EQ(make(json).encode("end-end."), (Ids{262, '-', 262, '.'}));
  EXPECT_EQ(make(json).encode("ends"), bytes("ends"));
  EXPECT_EQ(make(json).encode("_end"), bytes("_end"));
  EXPECT_EQ(make(json).encode("é"
                              "end"),
            bytes("é"
                  "end"));
}

TEST(Tokenizer, NormalizedTokensAreFoundAfterNfc) {
  nlohmann::json json = smallTokenizer();
  json["added_tokens"][1]["content"] = "<caf\u00e9>";
  EXPECT_EQ(make(json).encode("<cafe\u0301>"), bytes("<caf\u00e9>")); // looked for before NFC
  json["added_tokens"][1]["normalized"] = true;
  EXPECT_EQ(make(json).encode("<cafe\u0301>"), (Ids{262}));
  json["added_tokens"][1]["content"] = "<cafe\u0301>"; // the token itself is normalised as well
  EXPECT_EQ(make(json).encode("<caf\u00e9>"), (Ids{262}));
}

TEST(Tokenizer, NormalizerNullLeavesTextAlone) {
  nlohmann::json json = smallTokenizer();
  EXPECT_EQ(make(json).encode("e\u0301"), bytes("\u00e9"));
  json["normalizer"] =
      nlohmann::json::parse(R"({"type": "Sequence", "normalizers": [{"type": "NFC"}]})");
  EXPECT_EQ(make(json).encode("e\u0301"), bytes("\u00e9"));
  json["normalizer"] = nullptr;
  EXPECT_EQ(make(json).encode("e\u0301"), bytes("e\u0301"));
}

TEST(Tokenizer, ByteLevelAloneCutsLikeGpt2) {
  nlohmann::json json = smallTokenizer();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  json["model"]["vocab"]["1"] = 300;
  json["model"]["vocab"]["11"] = 49; // Qwen's pattern would cut between digits
  json["model"]["vocab"]["1"] = 263;
  json["model"]["merges"].push_back({"1", "1"});
  EXPECT_EQ(make(json).encode("11"), (Ids{49}));
  EXPECT_EQ(make(json).encode("hello hello"), (Ids{259, 260}));
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(make(json).encode("hello hello"), (Ids{260, 260}));
  EXPECT_EQ(make(json).encode(" hello"), (Ids{260}));
}

TEST(Tokenizer, TemplateSurroundsPrompts) {
  nlohmann::json json = smallTokenizer();
  json["post_processor"] = nlohmann::json::parse(R"({"type": "Sequence", "processors": [
    {"type": "ByteLevel"},
    {"type": "TemplateProcessing",
     "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}}],
     "special_tokens": {"<s>": {"id": "<s>", "ids": [261]}, "</s>": {"id": "</s>", "ids": [262, 261]}}}]})");
  Tokenizer tokenizer = make(json);
  EXPECT_EQ(tokenizer.encode("hello"), (Ids{259}));
  EXPECT_EQ(tokenizer.encodePrompt("hello"), (Ids{261, 259, 262, 261}));
  EXPECT_EQ(make(smallTokenizer()).encodePrompt("hello"), (Ids{259}));
}

TEST(Tokenizer, InvalidUtf8CountsAsReplacementCharacter) {
  Tokenizer tokenizer = make(smallTokenizer());
  EXPECT_EQ(tokenizer.encode("a\xFF"), bytes("a\uFFFD"));
  EXPECT_EQ(tokenizer.encode("\xE5\x8C<"), bytes("\uFFFD<"));
}

TEST(Tokenizer, DecodesBytesTokensAndGaps) {
  nlohmann::json json = smallTokenizer();
  json["added_tokens"].push_back(
      {{"id", 270}, {"content", "<\uFF5C>"}}); // outside the byte alphabet
  Tokenizer tokenizer = make(json);
  EXPECT_EQ(tokenizer.decode(Ids{259, 260, 261, 262}, false), "hello hello<|end|><think>");
  EXPECT_EQ(tokenizer.decode(Ids{259, 260, 261, 262}, true), "hello hello<think>");
  EXPECT_EQ(tokenizer.decode(Ids{270}, false), "<\uFF5C>");
  EXPECT_EQ(tokenizer.decode(Ids{'a', 265, 1000000, 'b'}, false), "ab");
  EXPECT_EQ(tokenizer.decode(Ids{0xE5, 0x8C, 'x'}, false), "\uFFFDx");
  EXPECT_EQ(errorOf([&] { tokenizer.decode(Ids{-1}, false); }), "error: token id -1 is negative");
}

TEST(Tokenizer, MissingByteIsAnErrorWhenMet) {
  nlohmann::json json = smallTokenizer();
  json["model"]["vocab"].erase("z");
  Tokenizer tokenizer = make(json);
  EXPECT_EQ(tokenizer.encode("hello"), (Ids{259}));
  EXPECT_EQ(
      errorOf([&] { tokenizer.encode("fizz"); }),
      "t.json: error: the vocabulary has no token for byte 0x7a of \"fizz\"; it needs \"z\" in "
      "its spelling");
}

TEST(Tokenizer, TooLongTextIsRefused) {
  Tokenizer tokenizer = make(smallTokenizer());
  std::string_view huge("x", Tokenizer::kMaxTextBytes + 1); // never read
  EXPECT_EQ(errorOf([&] { tokenizer.encode(huge); }),
            "error: a text of 268435457 bytes; the limit is 268435456");
}

TEST(Tokenizer, DecodeUndoesEncode) {
  nlohmann::json json = smallTokenizer();
  json["normalizer"] = nullptr;
  Tokenizer exact = make(json), normalizing = make(smallTokenizer());
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2 *nfc = icu::Normalizer2::getNFCInstance(status);
  std::mt19937 random(20240611);
  for (int round = 0; round < 500; ++round) {
    std::string text = randomText(random, random() % 60);
    EXPECT_EQ(exact.decode(exact.encode(text), false), text);
    std::string expected;
    nfc->normalize(icu::UnicodeString::fromUTF8(text), status).toUTF8String(expected);
    EXPECT_EQ(normalizing.decode(normalizing.encode(text), false), expected);
  }
}

TEST(Tokenizer, LongWordsTakeLittleTime) {
  nlohmann::json json = smallTokenizer();
  // a, aa, aaaa, …: each merge opens the next.
  std::string token = "a";
  for (int id = 300; id < 312; ++id) {
    json["model"]["merges"].push_back({token, token});
    token += token;
    json["model"]["vocab"][token] = id;
  }
  Ids ids = make(json).encode(std::string((1 << 20) + 1, 'a'));
  EXPECT_EQ(ids.size(), (1u << 20) / 4096 + 1);
  EXPECT_EQ(ids.front(), 311);
  EXPECT_EQ(ids.back(), 'a');
}

} // namespace
} // namespace vinci
