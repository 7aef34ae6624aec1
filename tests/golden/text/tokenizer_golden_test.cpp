// Ids from Hugging Face tokenizers, for awkward texts on the real Qwen3 tokenizer and for the
// prompts of models/.

#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"
#include "tests/golden/text/golden_files.h"

#include <filesystem>

namespace vinci {
namespace {

const Tokenizer &qwen3() {
  static const Tokenizer tokenizer = Tokenizer::fromDirectory(qwen3Directory());
  return tokenizer;
}

void expectGoldenIds(const Tokenizer &tokenizer) {
  nlohmann::json golden = readJson(kSourceDirectory + "/tests/golden/data/qwen3_tokenizer.json");
  for (const auto &test : golden["cases"]) {
    std::string text = test["text"];
    SCOPED_TRACE(text);
    std::vector<int32_t> ids = tokenizer.encode(text);
    EXPECT_EQ(ids, test["ids"].get<std::vector<int32_t>>());
    EXPECT_EQ(tokenizer.decode(ids, false), test["decoded"].get<std::string>());
    Detokenizer detokenizer(tokenizer, false);
    std::string streamed;
    for (int32_t id : ids)
      streamed += detokenizer.push(id);
    EXPECT_EQ(streamed + detokenizer.flush(), test["decoded"].get<std::string>());
  }
}

TEST(Qwen3Golden, TokenizerJson) {
  expectGoldenIds(qwen3());
  EXPECT_EQ(qwen3().vocabularySize(), 151669);
  EXPECT_EQ(qwen3().origin(), "tokenizer.json");
  EXPECT_TRUE(qwen3().isSpecial(151645));
  EXPECT_FALSE(qwen3().isSpecial(151667));
}

// The older pair of files, made from the same vocabulary, with and without tokenizer_config.json.
TEST(Qwen3Golden, VocabAndMerges) {
  nlohmann::json model = readJson(qwen3Directory() + "/tokenizer.json")["model"];
  std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "qwen3-vocab-and-merges";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "vocab.json") << model["vocab"];
  {
    std::ofstream merges(directory / "merges.txt");
    merges << "#version: 0.2\n";
    for (const auto &merge : model["merges"])
      merges << merge[0].get<std::string>() << ' ' << merge[1].get<std::string>() << '\n';
  }
  Tokenizer byDefault = Tokenizer::fromDirectory(directory);
  EXPECT_EQ(byDefault.origin(), "Qwen2 defaults");
  expectGoldenIds(byDefault);
  for (int32_t id = 151643; id < 151669; ++id) {
    EXPECT_EQ(byDefault.bytesOf(id), qwen3().bytesOf(id));
    EXPECT_EQ(byDefault.isSpecial(id), qwen3().isSpecial(id)) << id;
  }
  std::filesystem::copy(qwen3Directory() + "/tokenizer_config.json", directory);
  Tokenizer byConfig = Tokenizer::fromDirectory(directory);
  EXPECT_EQ(byConfig.origin(), "tokenizer_config.json");
  expectGoldenIds(byConfig);
  std::filesystem::remove_all(directory);
}

// Prose, one word, blanks: long pieces are merged like short ones, so the text comes back whole.
TEST(Qwen3Golden, AMegabyteComesBackWhole) {
  std::string prose, oneWord, blanks(1 << 20, ' ');
  nlohmann::json cases =
      readJson(kSourceDirectory + "/tests/golden/data/qwen3_tokenizer.json")["cases"];
  for (uint32_t i = 0; prose.size() < (1 << 20); ++i)
    prose += cases[i % cases.size()]["decoded"].get<std::string>() +
             std::to_string(i * 2654435761u) + " ";
  for (uint32_t i = 0; oneWord.size() < (1 << 20); ++i)
    oneWord += static_cast<char>('a' + (i * 2654435761u >> 16) % 26);
  for (const std::string &text : {prose, oneWord, blanks})
    EXPECT_TRUE(qwen3().decode(qwen3().encode(text), false) == text)
        << "text starting with " << text.substr(0, 20);
}

class ModelGolden : public testing::TestWithParam<const char *> {};

TEST_P(ModelGolden, PromptsAndContinuations) {
  std::string directory = kSourceDirectory + "/models/" + GetParam();
  Tokenizer tokenizer = Tokenizer::fromDirectory(directory);
  EXPECT_EQ(tokenizer.vocabularySize(), 4096);
  size_t cases = 0;
  nlohmann::json golden = readJson(directory + "/golden.json");
  for (const auto &test : golden["cases"]) {
    std::string prompt = test["prompt"];
    SCOPED_TRACE(prompt);
    EXPECT_EQ(tokenizer.encode(prompt), test["ids"].get<std::vector<int32_t>>());
    EXPECT_EQ(tokenizer.encodePrompt(prompt), test["ids"].get<std::vector<int32_t>>());
    EXPECT_EQ(tokenizer.decode(test["ids"].get<std::vector<int32_t>>(), false), prompt);
    EXPECT_EQ(tokenizer.decode(test["greedy"].get<std::vector<int32_t>>(), false),
              test["text"].get<std::string>());
    ++cases;
  }
  EXPECT_GT(cases, 0u);
}

// The same ids from vocab.json and merges.txt; <|endoftext|> and its kin are then Qwen2's.
TEST_P(ModelGolden, VocabAndMerges) {
  std::string directory = kSourceDirectory + "/models/" + GetParam();
  std::filesystem::path older =
      std::filesystem::path(testing::TempDir()) / (std::string(GetParam()) + "-older");
  std::filesystem::remove_all(older);
  std::filesystem::create_directories(older);
  for (const char *name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    std::filesystem::copy(directory + "/" + name, older / name);
  Tokenizer tokenizer = Tokenizer::fromDirectory(older);
  EXPECT_EQ(tokenizer.origin(), "Qwen2 defaults");
  EXPECT_EQ(tokenizer.vocabularySize(), 4096);
  EXPECT_EQ(tokenizer.idOf("<|im_end|>"), 4095);
  nlohmann::json golden = readJson(directory + "/golden.json");
  for (const auto &test : golden["cases"])
    EXPECT_EQ(tokenizer.encode(test["prompt"].get<std::string>()),
              test["ids"].get<std::vector<int32_t>>());
  std::filesystem::remove_all(older);
}

INSTANTIATE_TEST_SUITE_P(Austen, ModelGolden,
                         testing::Values("austen-qwen2", "austen-qwen3", "austen-qwen3-moe"));

} // namespace
} // namespace vinci
