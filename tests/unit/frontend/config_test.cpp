#include "frontend/huggingface/config.h"
#include "tests/unit/frontend/config_text.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace vinci {
namespace {

using namespace test;
namespace fs = std::filesystem;

ModelSpec parse(const ConfigText &config, std::optional<std::string> generation = std::nullopt) {
  return parseHuggingFaceConfig(config.text(), generation, "model/config.json");
}

ModelSpec readModel(const std::string &folder) {
  ModelSpec spec = readHuggingFaceConfig(fs::path(VINCI_SOURCE_DIR) / folder);
  for (const Warning &warning : spec.warnings)
    ADD_FAILURE() << toString(warning);
  return spec;
}

std::vector<std::string> warningsOf(const ModelSpec &spec) {
  std::vector<std::string> lines;
  for (const Warning &warning : spec.warnings)
    lines.push_back(toString(warning));
  return lines;
}

TEST(Config, ReadsTheEmbeddedModel) {
  ModelSpec spec = readModel("models/austen-qwen3");
  EXPECT_EQ(spec.architecture, Architecture::Qwen3);
  EXPECT_EQ(spec.name, "qwen3-4x256");
  EXPECT_EQ(spec.hiddenSize, 256);
  EXPECT_EQ(spec.intermediateSize, 512);
  EXPECT_EQ(spec.numHiddenLayers, 4);
  EXPECT_EQ(spec.numAttentionHeads, 8);
  EXPECT_EQ(spec.numKeyValueHeads, 4);
  EXPECT_EQ(spec.headDim, 64);
  EXPECT_EQ(spec.queryWidth(), 512);
  EXPECT_EQ(spec.vocabSize, 4096);
  EXPECT_EQ(spec.maxPositionEmbeddings, 2048);
  EXPECT_EQ(spec.rmsNormEps, 1e-6);
  EXPECT_EQ(spec.ropeTheta, 1e6);
  EXPECT_TRUE(spec.tieWordEmbeddings);
  EXPECT_TRUE(spec.qkNorm);
  EXPECT_FALSE(spec.qkvBias || spec.outputBias || spec.mlpBias);
  EXPECT_FALSE(spec.moe.has_value());
  EXPECT_EQ(spec.dtype, DType::BFloat16);
  EXPECT_EQ(spec.eosTokenIds, std::vector<int64_t>{4093});
  EXPECT_EQ(spec.bosTokenId, 4093);
  EXPECT_EQ(toString(spec.origin("rope_theta")), "config.json:23:17");
  EXPECT_EQ(toString(spec.origin("eos_token_id")), "generation_config.json:3:18");
  EXPECT_EQ(toString(spec.origin("no such key")), "config.json");
}

TEST(Config, ReadsTheOtherModels) {
  ModelSpec qwen2 = readModel("models/austen-qwen2");
  EXPECT_EQ(qwen2.headDim, 32);
  EXPECT_TRUE(qwen2.qkvBias);
  EXPECT_FALSE(qwen2.outputBias || qwen2.qkNorm);

  ModelSpec moe = readModel("models/austen-qwen3-moe");
  ASSERT_TRUE(moe.moe.has_value());
  EXPECT_EQ(moe.moe->numExperts, 16);
  EXPECT_EQ(moe.moe->numExpertsPerTok, 4);
  EXPECT_EQ(moe.moe->moeIntermediateSize, 64);
  EXPECT_TRUE(moe.moe->normTopkProb);
  EXPECT_TRUE(moe.isSparseLayer(0) && moe.isSparseLayer(3));
}

TEST(Config, ReadsTheSpellingOfTransformers5) {
  ModelSpec llama = readModel("tests/golden/data/llama-plain");
  EXPECT_EQ(llama.architecture, Architecture::Llama);
  EXPECT_EQ(llama.ropeTheta, 1e4);
  EXPECT_EQ(llama.dtype, DType::BFloat16);
  EXPECT_TRUE(llama.eosTokenIds.empty()); // null in the file is no default
  EXPECT_FALSE(llama.bosTokenId.has_value());
  EXPECT_EQ(toString(llama.origin("rope_theta")), "config.json:25:19");

  ModelSpec qwen2 = readModel("tests/golden/data/qwen2-untied");
  EXPECT_EQ(qwen2.ropeTheta, 1e6);
  EXPECT_EQ(qwen2.headDim, 16);
  EXPECT_FALSE(qwen2.tieWordEmbeddings);

  ModelSpec wide = readModel("tests/golden/data/qwen3-wide");
  EXPECT_EQ(wide.queryWidth(), 512);
  EXPECT_EQ(wide.keyValueWidth(), 256);

  ModelSpec moe = readModel("tests/golden/data/qwen3moe-norm");
  EXPECT_EQ(moe.moe->numExperts, 12);
  EXPECT_EQ(toString(moe.origin("num_experts")), "config.json:25:24");
}

TEST(Config, TakesTransformersDefaults) {
  ModelSpec qwen3 = parse(ConfigText(qwen3Config())
                              .remove("head_dim")
                              .remove("rope_theta")
                              .remove("max_position_embeddings"));
  EXPECT_EQ(qwen3.headDim, 128); // not hidden_size / num_attention_heads
  EXPECT_EQ(qwen3.ropeTheta, 1e4);
  EXPECT_EQ(qwen3.maxPositionEmbeddings, 32768);
  EXPECT_EQ(qwen3.rmsNormEps, 1e-6);
  EXPECT_FALSE(qwen3.tieWordEmbeddings);
  EXPECT_FALSE(qwen3.qkvBias || qwen3.outputBias);
  EXPECT_EQ(qwen3.dtype, DType::Float32);
  EXPECT_TRUE(qwen3.eosTokenIds.empty());
  EXPECT_EQ(qwen3.name, "qwen3-2x64");
  EXPECT_EQ(parse(qwen3Config().set("num_attention_heads", "32").remove("num_key_value_heads"))
                .numKeyValueHeads,
            32);
  EXPECT_EQ(parse(qwen3Config().set("num_key_value_heads", "null")).numKeyValueHeads, 4);

  ModelSpec moe = parse(qwen3MoeConfig()
                            .remove("head_dim")
                            .remove("num_key_value_heads")
                            .remove("intermediate_size"));
  EXPECT_EQ(moe.headDim, 16);
  EXPECT_EQ(moe.numKeyValueHeads, 4);
  EXPECT_EQ(moe.intermediateSize, 6144);
  EXPECT_FALSE(moe.moe->normTopkProb);
  EXPECT_EQ(moe.moe->decoderSparseStep, 1);

  ModelSpec llama =
      parse(llamaConfig().remove("num_key_value_heads").remove("max_position_embeddings"));
  EXPECT_EQ(llama.numKeyValueHeads, 4);
  EXPECT_EQ(llama.maxPositionEmbeddings, 2048);
  EXPECT_EQ(llama.bosTokenId, 1);
  EXPECT_EQ(llama.eosTokenIds, std::vector<int64_t>{2});
  EXPECT_FALSE(llama.mlpBias || llama.qkNorm);
}

TEST(Config, KnowsEachFamilysBiases) {
  ModelSpec llama = parse(llamaConfig().set("attention_bias", "true").set("mlp_bias", "true"));
  EXPECT_TRUE(llama.qkvBias && llama.outputBias && llama.mlpBias);
  ModelSpec qwen3 = parse(qwen3Config().set("attention_bias", "true"));
  EXPECT_TRUE(qwen3.qkvBias && qwen3.outputBias);
  ModelSpec qwen2 = parse(qwen2Config());
  EXPECT_TRUE(qwen2.qkvBias);
  EXPECT_FALSE(qwen2.outputBias);
}

TEST(Config, DecidesWhichLayersAreSparse) {
  ModelSpec spec = parse(qwen3MoeConfig()
                             .set("num_hidden_layers", "6")
                             .set("decoder_sparse_step", "2")
                             .set("mlp_only_layers", "[3, 3]"));
  std::vector<bool> sparse;
  for (int64_t layer = 0; layer < 6; ++layer)
    sparse.push_back(spec.isSparseLayer(layer));
  EXPECT_EQ(sparse, (std::vector<bool>{false, true, false, false, false, true}));
  ModelSpec none = parse(qwen3MoeConfig().set("num_experts", "0"));
  EXPECT_FALSE(none.moe.has_value());
  EXPECT_FALSE(none.isSparseLayer(0));
}

TEST(Config, AcceptsBothSpellingsWhenTheyAgree) {
  ModelSpec spec =
      parse(qwen3MoeConfig()
                .set("torch_dtype", "\"float16\"")
                .set("dtype", "\"float16\"")
                .set("num_local_experts", "6")
                .set("rope_parameters", R"({"rope_type": "default", "rope_theta": 1e6})")
                .set("rope_scaling", R"({"type": "default"})"));
  EXPECT_EQ(spec.dtype, DType::Float16);
  EXPECT_EQ(spec.ropeTheta, 1e6);
  EXPECT_TRUE(spec.warnings.empty());
}

TEST(Config, AcceptsWhatChangesNothing) {
  const ConfigText configs[] = {
      qwen3Config().set("hidden_act", "\"swish\""),
      qwen3Config().set("partial_rotary_factor", "1.0"),
      qwen3Config().set("rope_parameters",
                        R"({"rope_theta": 1000000, "partial_rotary_factor": 1})"),
      qwen3Config().set("rope_scaling", "null").set("use_mrope", "false"),
      qwen3Config()
          .set("quantization_config", "null")
          .set("attn_logit_softcapping", "null")
          .set("routed_scaling_factor", "1.0"),
      qwen3Config()
          .set("pruned_heads", "{}")
          .set("is_encoder_decoder", "false")
          .set("position_embedding_type", "\"rope\""),
      // sliding windows that no layer and no token ever meets
      qwen3Config()
          .set("use_sliding_window", "false")
          .set("sliding_window", "32")
          .set("max_window_layers", "0"),
      qwen3Config().set("use_sliding_window", "true").set("sliding_window", "null"),
      qwen3Config()
          .set("use_sliding_window", "true")
          .set("sliding_window", "32")
          .set("max_window_layers", "2"),
      qwen3Config()
          .set("use_sliding_window", "true")
          .set("sliding_window", "512")
          .set("max_window_layers", "0"),
      qwen3Config().set("layer_types", R"(["full_attention", "full_attention"])"),
      // layer_types wins, as in transformers
      qwen3Config()
          .set("layer_types", R"(["full_attention", "full_attention"])")
          .set("use_sliding_window", "true")
          .set("max_window_layers", "0")
          .set("sliding_window", "8"),
      qwen3Config().remove("model_type"),
      qwen3Config().remove("architectures"),
      qwen3Config()
          .set("initializer_range", "0.02")
          .set("id2label", "{}")
          .set("unknown_null", "null"),
  };
  for (const ConfigText &config : configs) {
    ModelSpec spec = parse(config);
    EXPECT_EQ(warningsOf(spec), std::vector<std::string>{}) << config.text();
    EXPECT_EQ(spec.architecture, Architecture::Qwen3);
    EXPECT_EQ(spec.ropeTheta, 1e6);
  }
}

TEST(Config, WarnsOfWhatItIgnores) {
  ModelSpec spec =
      parse(qwen2Config()
                .set("attention_bias", "false")
                .set("auto_map", "{}")
                .set("frobnicate", "[1]")
                .set("pad_token_id", "-1")
                .set("rope_scaling", R"({"rope_type": "default", "factor": 1.0})"),
            R"({"min_p": 0.1, "typical_p": 1.0, "max_new_tokens": 5, "bos_token_id": 100})");
  EXPECT_EQ(
      warningsOf(spec),
      (std::vector<std::string>{
          "model/config.json:12:1: warning: \"attention_bias\" is not a key of qwen2 and is "
          "ignored",
          "model/config.json:13:1: warning: auto_map names Python code of the checkpoint's own; it "
          "is "
          "not run",
          "model/config.json:14:1: warning: \"frobnicate\" is not a key of qwen2 and is ignored",
          "model/config.json:15:17: warning: pad_token_id is -1, which is not in the vocabulary of "
          "100; it is ignored",
          "model/config.json:16:42: warning: rope_scaling.\"factor\" has no meaning with rope_type "
          "\"default\" and is ignored",
          "model/generation_config.json:1:71: warning: bos_token_id is 100, which is not in the "
          "vocabulary of 100; it is ignored",
          "model/generation_config.json:1:2: warning: min_p is 0.1; it is not supported and "
          "ignored",
      }));
  EXPECT_FALSE(spec.padTokenId.has_value());

  EXPECT_EQ(warningsOf(parse(llamaConfig().set("sliding_window", "32"))),
            std::vector<std::string>{"model/config.json:12:1: warning: \"sliding_window\" is not a "
                                     "key of llama and is ignored"});
  EXPECT_EQ(warningsOf(parse(qwen3MoeConfig().set("mlp_only_layers", "[1, 7]"))),
            std::vector<std::string>{"model/config.json:16:24: warning: mlp_only_layers names "
                                     "layer 7, but the last one is 1"});
}

TEST(Config, StopsWarningAfterAWhile) {
  ConfigText config = qwen3Config();
  for (int i = 0; i < 200; ++i)
    config.set("unknown_" + std::to_string(i), "1");
  ModelSpec spec = parse(config);
  ASSERT_EQ(spec.warnings.size(), 51u);
  EXPECT_EQ(spec.warnings.back().message, "further warnings are not shown");
}

TEST(Config, MergesTheGenerationConfig) {
  ModelSpec spec =
      parse(qwen3Config().set("eos_token_id", "5").set("pad_token_id", "6"),
            R"({"eos_token_id": [7, 8, 7], "bos_token_id": 9, "do_sample": true, "temperature": 0.6,
                             "top_k": 20, "top_p": 0.95, "repetition_penalty": 1.05})");
  EXPECT_EQ(spec.eosTokenIds, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(spec.bosTokenId, 9);
  EXPECT_EQ(spec.padTokenId, 6);
  EXPECT_EQ(spec.generation.doSample, true);
  EXPECT_EQ(spec.generation.temperature, 0.6);
  EXPECT_EQ(spec.generation.topK, 20);
  EXPECT_EQ(spec.generation.topP, 0.95);
  EXPECT_EQ(spec.generation.repetitionPenalty, 1.05);

  ModelSpec silent =
      parse(qwen3Config().set("eos_token_id", "[5, 4]"), R"({"eos_token_id": null})");
  EXPECT_EQ(silent.eosTokenIds, (std::vector<int64_t>{5, 4}));
  EXPECT_FALSE(silent.generation.temperature.has_value());
}

TEST(Config, TakesTheNameFromTheConfigOnly) {
  auto nameOf = [](const std::string &path) {
    return parse(qwen3Config().set("_name_or_path", path)).name;
  };
  EXPECT_EQ(nameOf("\"Qwen/Qwen3-0.6B\""), "Qwen3-0.6B");
  EXPECT_EQ(nameOf("\"/home/me/my model/\""), "my_model");
  EXPECT_EQ(nameOf("\"\""), "qwen3-2x64");
  EXPECT_EQ(nameOf("\"..\""), "qwen3-2x64");
}

TEST(Config, AFileIsAsGoodAsItsDirectory) {
  fs::path folder = fs::path(testing::TempDir()) / "vinci-config-test";
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << qwen3Config().text();
  std::ofstream(folder / "generation_config.json") << R"({"eos_token_id": [3]})";
  EXPECT_EQ(readHuggingFaceConfig(folder).eosTokenIds, std::vector<int64_t>{3});
  EXPECT_EQ(readHuggingFaceConfig(folder / "config.json").eosTokenIds, std::vector<int64_t>{3});
  EXPECT_EQ(toString(readHuggingFaceConfig(folder).origin("hidden_size")), "config.json:4:16");
  fs::remove_all(folder);
}

} // namespace
} // namespace vinci
