// What the tokenizer's files may say, and the message for everything that they may not.

#include "runtime/text/tokenizer.h"
#include "tests/unit/text/text_test.h"

namespace vinci {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

// The message for the small tokenizer with `value` at `pointer`.
std::string errorWith(const std::string &pointer, const json &value) {
  json tokenizer = smallTokenizer();
  tokenizer[json::json_pointer(pointer)] = value;
  return errorOf([&] { Tokenizer::fromJson("t.json", tokenizer.dump()); });
}

TEST(TokenizerJson, NamesWhatIsNotSupported) {
  struct Case {
    const char *pointer;
    json value;
    const char *message;
  } cases[] = {
      {"/version", "2.0", "version is \"2.0\" (a string); \"1.0\" is expected"},
      {"/truncation",
       {{"max_length", 3}},
       "truncation is an object of 1; null (nothing else is supported) is expected"},
      {"/padding", 1, "padding is 1; null (nothing else is supported) is expected"},
      {"/normalizer",
       {{"type", "NFKC"}},
       "normalizer.type is \"NFKC\" (a string); \"NFC\" or \"Sequence\" is expected"},
      {"/normalizer",
       {{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}}}},
       "normalizer.normalizers[0].type is \"Lowercase\""},
      {"/normalizer", "NFC", "normalizer is \"NFC\" (a string); an object is expected"},
      {"/normalizer", json::object(), "normalizer: \"type\" is missing"},
      {"/pre_tokenizer", nullptr, "pre_tokenizer: no ByteLevel: only byte-level BPE is supported"},
      {"/pre_tokenizer",
       {{"type", "Metaspace"}},
       "pre_tokenizer.type is \"Metaspace\" (a string); \"Split\", \"ByteLevel\" or \"Sequence\" "
       "is expected"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "Removed",
       "pre_tokenizer.pretokenizers[0].behavior is \"Removed\" (a string); \"Isolated\" is "
       "expected"},
      {"/pre_tokenizer/pretokenizers/0/invert", true,
       "pre_tokenizer.pretokenizers[0].invert is true"},
      {"/pre_tokenizer/pretokenizers/0/pattern",
       {{"String", " "}},
       "a split pattern other than {\"Regex\": …} is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(",
       "is not a regular expression: missing closing parenthesis"},
      {"/pre_tokenizer/pretokenizers/0/type", "ByteLevel",
       "a pre_tokenizer after ByteLevel is not supported"},
      {"/post_processor",
       {{"type", "BertProcessing"}},
       "post_processor.type is \"BertProcessing\" (a string); \"ByteLevel\", "
       "\"TemplateProcessing\" or \"Sequence\""},
      {"/post_processor",
       {{"type", "TemplateProcessing"}, {"single", json::array()}},
       "post_processor.single: a template for one sequence must hold sequence \"A\" once"},
      {"/post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<s>"}}}}}},
        {"special_tokens", json::object()}},
       "post_processor.special_tokens: \"<s>\" is missing"},
      {"/post_processor",
       {{"type", "TemplateProcessing"}, {"single", {{{"Sequence", {{"id", "B"}}}}}}},
       "must hold sequence \"A\" once"},
      {"/decoder", nullptr, "decoder is null; a ByteLevel decoder is expected"},
      {"/decoder/type", "WordPiece", "decoder is an object of 1; a ByteLevel decoder is expected"},
      {"/model/type", "Unigram", "model.type is \"Unigram\" (a string); \"BPE\" is expected"},
      {"/model/dropout", 0.1, "model.dropout is 0.1; 0 or null is expected"},
      {"/model/continuing_subword_prefix", "##", "model.continuing_subword_prefix is \"##\""},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix is \"</w>\""},
      {"/model/vocab", 3, "model.vocab is 3; an object is expected"},
      {"/model/vocab", json::object(), "model.vocab: a vocabulary without tokens"},
      {"/model/vocab/he", -1, "token id is -1; an integer from 0 to 4194303 is expected"},
      {"/model/vocab/he", 5000000, "token id is 5000000; an integer from 0 to 4194303 is expected"},
      {"/model/vocab/he", 1.5, "token id is 1.5"},
      {"/model/vocab/he", 257,
       "tokens \"he\" and \"ll\" are both given the id 257; each token needs its own"},
      {"/model/merges", "x", "model.merges is \"x\" (a string); an array is expected"},
      {"/model/merges/0", json::array({"h"}),
       "merge is an array of 1; a pair of tokens is expected"},
      {"/model/merges/0", "he",
       "merge is \"he\" (a string); two tokens with one space between is expected"},
      {"/model/merges/0", "h e l", "two tokens with one space between is expected"},
      {"/model/merges/0", json::array({"h", 1}), "merge is 1; a string is expected"},
      {"/model/merges/0", json::array({"h", ""}), "a merge with nothing"},
      {"/model/merges/0", json::array({"h", "x"}),
       "merge of \"h\" and \"x\": \"hx\" is not in the vocabulary"},
      {"/model/merges/0", json::array({"xyz", "x"}),
       "merge of \"xyz\" and \"x\": \"xyz\" is not in the vocabulary"},
      {"/added_tokens", json::object(), "added_tokens is an object of 0; an array is expected"},
      {"/added_tokens/0/id", -5,
       "added_tokens[0].id is -5; an integer from 0 to 4194303 is expected"},
      {"/added_tokens/0/content", "", "added_tokens[0]: an added token without content"},
      {"/added_tokens/0/content", std::string(600, 'x'),
       "added_tokens[0]: an added token of 600 bytes; the limit is 512"},
      {"/added_tokens/0/special", "yes",
       "added_tokens[0].special is \"yes\" (a string); true or false is expected"},
      {"/added_tokens/1/id", 261,
       "added_tokens[1]: tokens \"<|end|>\" (added_tokens) and \"<think>\" (added_tokens) are both "
       "given the id 261"},
      {"/added_tokens/1/id", 259,
       "added_tokens[1]: tokens \"hello\" (the vocabulary) and \"<think>\" (added_tokens) are both "
       "given the id 259"},
      {"/added_tokens/1/content", "hello",
       "added_tokens[1]: token \"hello\" is given the id 262 here and 259 in the vocabulary"},
      {"/added_tokens/1/content", "<|end|>",
       "added_tokens[1]: token \"<|end|>\" is given the id 262 here and 261 in added_tokens"},
  };
  for (const Case &test : cases) {
    SCOPED_TRACE(test.pointer);
    std::string message = errorWith(test.pointer, test.value);
    EXPECT_CONTAINS(message, test.message);
    EXPECT_EQ(message.rfind("t.json:1:", 0), 0u) << message;
  }
}

TEST(TokenizerJson, MissingParts) {
  for (const char *part : {"model", "pre_tokenizer", "decoder"}) {
    json tokenizer = smallTokenizer();
    tokenizer.erase(part);
    EXPECT_CONTAINS(errorOf([&] { Tokenizer::fromJson("t.json", tokenizer.dump()); }),
                    "t.json:1:1: error: the document: \"" + std::string(part) + "\" is missing");
  }
}

// Unknown-token settings concern only vocabularies that lack a byte.
TEST(TokenizerJson, UnknownTokenNeedsAWholeAlphabet) {
  json tokenizer = smallTokenizer();
  tokenizer["model"]["unk_token"] = "<|end|>";
  tokenizer["model"]["byte_fallback"] = true;
  EXPECT_EQ(Tokenizer::fromJson("t.json", tokenizer.dump()).encode("z"), (Ids{'z'}));
  tokenizer["model"]["vocab"].erase("z");
  EXPECT_CONTAINS(errorOf([&] { Tokenizer::fromJson("t.json", tokenizer.dump()); }),
                  "model.unk_token: \"<|end|>\" is not supported with a vocabulary that "
                  "has no token for byte 0x7a");
  tokenizer["model"]["unk_token"] = nullptr;
  EXPECT_CONTAINS(errorOf([&] { Tokenizer::fromJson("t.json", tokenizer.dump()); }),
                  "model.byte_fallback: true is not supported");
}

TEST(TokenizerJson, BrokenJson) {
  EXPECT_CONTAINS(errorOf([] { Tokenizer::fromJson("t.json", ""); }),
                  "t.json:1:1: error: not valid JSON");
  EXPECT_CONTAINS(errorOf([] { Tokenizer::fromJson("t.json", "{\n \"a\": }"); }), "t.json:2:");
  EXPECT_CONTAINS(errorOf([] { Tokenizer::fromJson("t.json", std::string(100000, '[')); }),
                  "t.json:1:");
  EXPECT_CONTAINS(errorOf([] { Tokenizer::fromJson("t.json", R"({"model": 1, "model": 2})"); }),
                  "model");
  EXPECT_CONTAINS(errorOf([] { Tokenizer::fromJson("t.json", "[]"); }),
                  "the document is an array of 0; an object is expected");
}

/// A folder with vocab.json and merges.txt of the small tokenizer.
class OlderFiles : public testing::Test {
protected:
  OlderFiles() {
    folder.write("vocab.json", smallTokenizer()["model"]["vocab"].dump());
    folder.write("merges.txt", "#version: 0.2\nh e\nl l\nll o\r\nhe llo\nĠ hello\n\n");
  }
  Tokenizer load() { return Tokenizer::fromDirectory(folder.path()); }
  std::string error() {
    return errorOf([this] { load(); });
  }
  void config(const json &value) { folder.write("tokenizer_config.json", value.dump()); }

  Folder folder;
};

TEST_F(OlderFiles, QwenDefaultsFollowTheVocabulary) {
  Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.origin(), "Qwen2 defaults");
  EXPECT_EQ(tokenizer.encode("hello hello<|endoftext|><|im_start|><|im_end|>"),
            (Ids{259, 260, 261, 262, 263}));
  EXPECT_EQ(tokenizer.vocabularySize(), 264);
  EXPECT_TRUE(tokenizer.isSpecial(263));
  EXPECT_EQ(tokenizer.encode("e\u0301"), (Ids{0xC3, 0xA9})); // NFC, as Qwen2Tokenizer
  EXPECT_EQ(tokenizer.encode("<think>").size(), 7u);
}

TEST_F(OlderFiles, QwenDefaultsKeepIdsThatTheVocabularyHas) {
  json vocab = smallTokenizer()["model"]["vocab"];
  vocab["<|im_end|>"] = 261;
  folder.write("vocab.json", vocab.dump());
  EXPECT_EQ(load().encode("<|endoftext|><|im_start|><|im_end|>"), (Ids{262, 263, 261}));
}

TEST_F(OlderFiles, AddedTokensFromTheConfig) {
  config({{"eos_token", "<|a|>"},
          {"tokenizer_class", "Qwen2Tokenizer"},
          {"additional_special_tokens", {"<c>"}},
          {"added_tokens_decoder",
           {{"261", {{"content", "<|a|>"}, {"special", true}}},
            {"300", {{"content", "<b>"}, {"special", false}}},
            {"301", {{"content", "<c>"}, {"special", false}, {"normalized", false}}}}}});
  Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.origin(), "tokenizer_config.json");
  EXPECT_EQ(tokenizer.encode("<|a|><b><c>"), (Ids{261, 300, 301}));
  EXPECT_TRUE(tokenizer.isSpecial(261));
  EXPECT_FALSE(tokenizer.isSpecial(300));
  EXPECT_TRUE(tokenizer.isSpecial(301)) << "its role makes it special";
  EXPECT_EQ(tokenizer.decode(Ids{280}, false), "");
}

TEST_F(OlderFiles, AddedTokensFromTheirOwnFile) {
  folder.write("added_tokens.json", R"({"<x>": 270, "<|im_end|>": 271, "<y>": 272})");
  config({{"eos_token", {{"content", "<y>"}, {"lstrip", false}}}});
  Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.origin(), "added_tokens.json");
  EXPECT_EQ(tokenizer.encode("<x><|im_end|><y>"), (Ids{270, 271, 272}));
  EXPECT_FALSE(tokenizer.isSpecial(270));
  EXPECT_TRUE(tokenizer.isSpecial(271)) << "as Qwen2 has it";
  EXPECT_TRUE(tokenizer.isSpecial(272)) << "its role makes it special";
}

TEST_F(OlderFiles, RolesMakeVocabularyTokensSpecial) {
  config({{"eos_token", "hello"}, {"pad_token", "<absent>"}, {"unk_token", nullptr}});
  Tokenizer tokenizer = load();
  EXPECT_TRUE(tokenizer.isSpecial(259));
  EXPECT_EQ(tokenizer.encode("xhello"), (Ids{'x', 259}));
}

TEST_F(OlderFiles, TwoTokensOnOneIdAreNamed) {
  config({{"added_tokens_decoder",
           {{"261", {{"content", "<|file_sep|>"}}}, {"0261", {{"content", "<think>"}}}}}});
  EXPECT_CONTAINS(error(), "tokens \"<think>\" (added_tokens_decoder) and \"<|file_sep|>\" "
                           "(added_tokens_decoder) are both given the id 261");
  config({{"added_tokens_decoder", {{"259", {{"content", "<think>"}}}}}});
  EXPECT_CONTAINS(error(), "added_tokens_decoder.259: tokens \"hello\" (the vocabulary) and "
                           "\"<think>\" (added_tokens_decoder) are both given the id 259");
  // One key twice, which JSON readers commonly let pass.
  folder.write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder": {"261": {"content": "<|file_sep|>"}, "261": {"content": "<think>"}}})");
  EXPECT_CONTAINS(error(), "261");
  std::filesystem::remove(folder.pathOf("tokenizer_config.json"));
  folder.write("added_tokens.json", R"({"<think>": 261, "<tool_response>": 261})");
  EXPECT_CONTAINS(error(), "tokens \"<think>\" (added_tokens.json) and \"<tool_response>\" "
                           "(added_tokens.json) are both given the id 261");
}

TEST_F(OlderFiles, TwoRolesOnOneTokenAreNamed) {
  config({{"eos_token", "hello"}, {"extra_special_tokens", {{"think_token", "hello"}}}});
  EXPECT_CONTAINS(error(), "extra_special_tokens.think_token: roles eos_token and think_token are "
                           "both given to token \"hello\"");
  config({{"extra_special_tokens", {{"a_token", "he"}, {"b_token", "he"}}}});
  EXPECT_CONTAINS(error(), "roles a_token and b_token are both given to token \"he\"");
  config({{"eos_token", "hello"},
          {"pad_token", "hello"},
          {"bos_token", "hello"},
          {"additional_special_tokens", {"hello"}},
          {"extra_special_tokens", {{"a_token", "he"}}}});
  EXPECT_TRUE(load().isSpecial(259)) << "these are commonly one token";
}

TEST_F(OlderFiles, ConfigErrors) {
  config({{"split_special_tokens", true}});
  EXPECT_CONTAINS(error(), "split_special_tokens is true; false is expected");
  config({{"add_prefix_space", true}});
  EXPECT_CONTAINS(error(), "add_prefix_space: true, but");
  config({{"tokenizer_class", "GPT2Tokenizer"}});
  EXPECT_CONTAINS(error(), "tokenizer_class: \"GPT2Tokenizer\" needs a tokenizer.json; "
                           "vocab.json with merges.txt is enough for Qwen2Tokenizer");
  config({{"eos_token", "<gone>"}});
  EXPECT_CONTAINS(error(), "eos_token: token \"<gone>\" is not in the vocabulary");
  config({{"eos_token", 5}});
  EXPECT_CONTAINS(error(), "eos_token is 5; a string is expected");
  config({{"added_tokens_decoder", {{"x1", {{"content", "a"}}}}}});
  EXPECT_CONTAINS(
      error(),
      "added_tokens_decoder.x1: its key is \"x1\"; a token id from 0 to 4194303 is expected");
  config({{"added_tokens_decoder", {{"-1", {{"content", "a"}}}}}});
  EXPECT_CONTAINS(error(), "its key is \"-1\"; a token id");
  config({{"added_tokens_decoder", {{"4194304", {{"content", "a"}}}}}});
  EXPECT_CONTAINS(error(), "its key is \"4194304\"; a token id");
  config({{"added_tokens_decoder", {{"261", json::object()}}}});
  EXPECT_CONTAINS(error(), "added_tokens_decoder.261: \"content\" is missing");
  config(json::array());
  EXPECT_CONTAINS(error(), "the document is an array of 0; an object is expected");
  config(json::object());
  folder.write("added_tokens.json", R"({"<x>": "y"})");
  EXPECT_CONTAINS(error(), "<x> is \"y\" (a string); an integer");
}

TEST_F(OlderFiles, MergesErrors) {
  folder.write("merges.txt", "h e\nl\n");
  EXPECT_CONTAINS(
      error(),
      "merges.txt:2: error: merge is \"l\"; two tokens with one space between are expected");
  folder.write("merges.txt", "h e\nl l\nx q\n");
  EXPECT_CONTAINS(error(),
                  "merges.txt:3: error: merge of \"x\" and \"q\": \"xq\" is not in the vocabulary");
}

TEST(TokenizerDirectory, NeedsATokenizer) {
  Folder folder;
  EXPECT_EQ(errorOf([&] { Tokenizer::fromDirectory(folder.path()); }),
            folder.path() +
                ": error: no tokenizer: needs tokenizer.json, or vocab.json and merges.txt");
  folder.write("vocab.json", "{}");
  EXPECT_CONTAINS(errorOf([&] { Tokenizer::fromDirectory(folder.path()); }), "no tokenizer");
}

TEST(TokenizerDirectory, TokenizerJsonWinsAndTheConfigAdds) {
  Folder folder;
  folder.write("tokenizer.json", smallTokenizer().dump());
  folder.write("vocab.json", "broken");
  EXPECT_EQ(Tokenizer::fromDirectory(folder.path()).origin(), "tokenizer.json");
  json config = {{"eos_token", "<|end|>"},
                 {"added_tokens_decoder", {{"262", {{"content", "<think>"}, {"special", true}}}}}};
  folder.write("tokenizer_config.json", config.dump());
  Tokenizer same = Tokenizer::fromDirectory(folder.path());
  EXPECT_EQ(same.origin(), "tokenizer.json");
  EXPECT_TRUE(same.isSpecial(262)) << "either file can make a token special";
  config["added_tokens_decoder"]["263"] = {{"content", "<new>"}};
  folder.write("tokenizer_config.json", config.dump());
  Tokenizer more = Tokenizer::fromDirectory(folder.path());
  EXPECT_EQ(more.origin(), "tokenizer.json and tokenizer_config.json");
  EXPECT_EQ(more.encode("<new>"), (Ids{263}));
  config["added_tokens_decoder"]["264"] = {{"content", "<think>"}};
  folder.write("tokenizer_config.json", config.dump());
  EXPECT_CONTAINS(errorOf([&] { Tokenizer::fromDirectory(folder.path()); }),
                  "token \"<think>\" is given the id 264 here and 262 in added_tokens");
}

TEST(TokenizerDirectory, LlamaTokenizerMakesItsOwnTemplate) {
  Folder folder;
  folder.write("tokenizer.json", smallTokenizer().dump());
  json config = {{"tokenizer_class", "LlamaTokenizerFast"},
                 {"bos_token", "<|end|>"},
                 {"eos_token", "<think>"}};
  folder.write("tokenizer_config.json", config.dump());
  EXPECT_EQ(Tokenizer::fromDirectory(folder.path()).encodePrompt("hello"), (Ids{261, 259}));
  config["add_bos_token"] = false;
  config["add_eos_token"] = true;
  folder.write("tokenizer_config.json", config.dump());
  EXPECT_EQ(Tokenizer::fromDirectory(folder.path()).encodePrompt("hello"), (Ids{259, 262}));
  config.erase("eos_token");
  folder.write("tokenizer_config.json", config.dump());
  EXPECT_CONTAINS(errorOf([&] { Tokenizer::fromDirectory(folder.path()); }),
                  "add_eos_token is true, but there is no eos_token");
}

} // namespace
} // namespace vinci
