#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config.h"
#include "tests/unit/frontend/config_text.h"

#include "runtime/support/json.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>

namespace vinci {
namespace {

namespace fs = std::filesystem;

std::vector<ExpectedTensor> tensorsOf(const std::string &config) {
  return expectedTensors(parseHuggingFaceConfig(config, std::nullopt, "config.json"));
}

std::string describe(const ExpectedTensor &tensor) {
  std::string text = tensor.name + " [";
  for (size_t i = 0; i < tensor.shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(tensor.shape[i]);
  return text + "]";
}

TEST(CheckpointWeights, CountsThePublishedModels) {
  struct Case {
    const char *name;
    uint64_t parameters, active;
  };
  const Case cases[] = {
      {"qwen2.5-0.5b", 494032768, 494032768},     {"qwen2.5-7b", 7615616512, 7615616512},
      {"qwq-32b", 32763876352, 32763876352},      {"qwen3-0.6b", 596049920, 596049920},
      {"qwen3-8b", 8190735360, 8190735360},       {"qwen3-32b", 32762123264, 32762123264},
      {"qwen3-30b-a3b", 30532122624, 3353032704}, {"qwen3-235b-a22b", 235093634560, 22190763520},
  };
  fs::path data = fs::path(VINCI_SOURCE_DIR) / "tests/unit/frontend/data";
  for (const Case &model : cases) {
    ModelSpec spec = readHuggingFaceConfig(data / (std::string(model.name) + ".json"));
    EXPECT_TRUE(spec.warnings.empty()) << model.name;
    CheckpointSize size = checkpointSize(spec);
    EXPECT_EQ(uint64_t(size.parameters), model.parameters) << model.name;
    EXPECT_EQ(uint64_t(size.activeParameters), model.active) << model.name;

    uint64_t sum = 0;
    std::vector<ExpectedTensor> tensors = expectedTensors(spec);
    for (const ExpectedTensor &tensor : tensors) {
      uint64_t elements = 1;
      for (uint64_t extent : tensor.shape)
        elements *= extent;
      sum += elements;
    }
    EXPECT_EQ(sum, model.parameters) << model.name;
    EXPECT_EQ(double(tensors.size()), size.tensors) << model.name;
  }
}

TEST(CheckpointWeights, NamesEveryTensorOfADenseLayer) {
  std::vector<std::string> lines;
  for (const ExpectedTensor &tensor :
       tensorsOf(test::qwen2Config().set("num_hidden_layers", "1").text()))
    lines.push_back(describe(tensor));
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "model.embed_tokens.weight [100, 64]",
                       "model.layers.0.input_layernorm.weight [64]",
                       "model.layers.0.self_attn.q_proj.weight [64, 64]",
                       "model.layers.0.self_attn.q_proj.bias [64]",
                       "model.layers.0.self_attn.k_proj.weight [32, 64]",
                       "model.layers.0.self_attn.k_proj.bias [32]",
                       "model.layers.0.self_attn.v_proj.weight [32, 64]",
                       "model.layers.0.self_attn.v_proj.bias [32]",
                       "model.layers.0.self_attn.o_proj.weight [64, 64]",
                       "model.layers.0.post_attention_layernorm.weight [64]",
                       "model.layers.0.mlp.gate_proj.weight [96, 64]",
                       "model.layers.0.mlp.up_proj.weight [96, 64]",
                       "model.layers.0.mlp.down_proj.weight [64, 96]",
                       "model.norm.weight [64]",
                       "lm_head.weight [100, 64]",
                   }));
}

TEST(CheckpointWeights, FollowsTheConfig) {
  std::map<std::string, std::vector<uint64_t>> tensors;
  auto config = test::qwen3MoeConfig()
                    .set("decoder_sparse_step", "2")
                    .set("attention_bias", "true")
                    .set("tie_word_embeddings", "true")
                    .set("head_dim", "32");
  for (const ExpectedTensor &tensor : tensorsOf(config.text()))
    tensors[tensor.name] = tensor.shape;
  using Shape = std::vector<uint64_t>;
  EXPECT_FALSE(tensors.contains("lm_head.weight"));
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.q_proj.weight"), (Shape{128, 64}));
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.o_proj.weight"), (Shape{64, 128}));
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.o_proj.bias"), (Shape{64}));
  EXPECT_EQ(tensors.at("model.layers.1.self_attn.k_norm.weight"), (Shape{32}));
  EXPECT_EQ(tensors.at("model.layers.0.mlp.gate_proj.weight"), (Shape{96, 64}));
  EXPECT_FALSE(tensors.contains("model.layers.0.mlp.gate.weight"));
  EXPECT_EQ(tensors.at("model.layers.1.mlp.gate.weight"), (Shape{6, 64}));
  EXPECT_EQ(tensors.at("model.layers.1.mlp.experts.5.down_proj.weight"), (Shape{64, 24}));
  EXPECT_FALSE(tensors.contains("model.layers.1.mlp.experts.6.down_proj.weight"));
}

/// Names and shapes in the header of a safetensors file.
std::map<std::string, std::vector<uint64_t>> headerOf(const fs::path &path) {
  std::ifstream stream(path, std::ios::binary);
  uint64_t length = 0;
  stream.read(reinterpret_cast<char *>(&length), sizeof length);
  std::string header(length, ' ');
  stream.read(header.data(), std::streamsize(length));
  JsonDocument document = JsonDocument::parse(header, path.string());
  std::map<std::string, std::vector<uint64_t>> tensors;
  for (const auto &[name, tensor] : document.root().members())
    if (name.toText("name") != "__metadata__")
      for (const JsonValue &extent : tensor.find("shape")->elements())
        tensors[std::string(name.toText("name"))].push_back(uint64_t(extent.toInteger("shape")));
  return tensors;
}

TEST(CheckpointWeights, AgreesWithTheCheckpointsInTheTree) {
  const char *models[] = {"models/austen-qwen3",
                          "models/austen-qwen2",
                          "models/austen-qwen3-moe",
                          "tests/golden/data/llama-plain",
                          "tests/golden/data/qwen2-untied",
                          "tests/golden/data/qwen3-wide",
                          "tests/golden/data/qwen3moe-norm"};
  for (const char *model : models) {
    fs::path folder = fs::path(VINCI_SOURCE_DIR) / model;
    std::map<std::string, std::vector<uint64_t>> expected, found;
    for (const ExpectedTensor &tensor : expectedTensors(readHuggingFaceConfig(folder)))
      expected[tensor.name] = tensor.shape;
    for (const fs::directory_entry &entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".safetensors")
        found.merge(headerOf(entry.path()));
    EXPECT_EQ(found, expected) << model;
  }
}

} // namespace
} // namespace vinci
