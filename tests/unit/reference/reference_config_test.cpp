// From config.json to the hyperparameters of the reference.
#include "frontend/huggingface/config.h"
#include "tools/compiler/reference_config.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace vinci {
namespace {

ReferenceConfig configOf(const std::string &folder) {
  return toReferenceConfig(readHuggingFaceConfig(std::filesystem::path(VINCI_SOURCE_DIR) / folder));
}

std::vector<uint64_t> sparseLayers(const ReferenceConfig &config) {
  std::vector<uint64_t> layers;
  for (uint64_t i = 0; i < config.numHiddenLayers; ++i)
    if (config.hasExperts(i))
      layers.push_back(i);
  return layers;
}

TEST(ReferenceConfig, IsThatOfTheFile) {
  const ReferenceConfig config = configOf("tests/golden/data/qwen3moe-13");
  EXPECT_EQ(config.architecture, "qwen3_moe");
  EXPECT_EQ(config.hiddenSize, 36u);
  EXPECT_EQ(config.numHiddenLayers, 4u);
  EXPECT_EQ(config.numExperts, 13u);
  EXPECT_EQ(config.numExpertsPerTok, 7u);
  EXPECT_EQ(config.moeIntermediateSize, 17u);
  EXPECT_TRUE(config.qkNorm);
  EXPECT_FALSE(config.qkvBias);
  EXPECT_TRUE(config.schemes.empty());
  EXPECT_EQ(configOf("tests/golden/data/llama-head6").ropeTheta, 1000);
  const ReferenceConfig biased = configOf("tests/golden/data/llama-hidden80");
  EXPECT_TRUE(biased.qkvBias && biased.outputBias && biased.mlpBias);
  EXPECT_EQ(biased.rmsNormEps, 1e-5);
}

TEST(ReferenceConfig, WhichLayersHaveExperts) {
  using Layers = std::vector<uint64_t>;
  EXPECT_EQ(sparseLayers(configOf("tests/golden/data/qwen3moe-13")), Layers({1, 3}));
  EXPECT_EQ(sparseLayers(configOf("tests/golden/data/qwen3moe-5")), Layers({0, 2}));
  EXPECT_EQ(sparseLayers(configOf("models/austen-qwen3-moe")), Layers({0, 1, 2, 3}));
  EXPECT_EQ(sparseLayers(configOf("models/austen-qwen3")), Layers());
}

TEST(ReferenceConfig, KeepsTheSchemesOfEachLayer) {
  ModelSpec spec = readHuggingFaceConfig(std::filesystem::path(VINCI_SOURCE_DIR) /
                                         "tests/golden/data/qwen3-tiny");
  spec.quant = QuantSpec{{{.qkv = QuantScheme::W8A8, .down = QuantScheme::W8A8Dynamic}}};
  const ReferenceSchemes schemes = toReferenceConfig(spec).schemesOf(0);
  EXPECT_EQ(schemes.qkv, ReferenceScheme::W8A8);
  EXPECT_EQ(schemes.output, ReferenceScheme::Float);
  EXPECT_EQ(schemes.gateUp, ReferenceScheme::Float);
  EXPECT_EQ(schemes.down, ReferenceScheme::W8A8Dynamic);
}

} // namespace
} // namespace vinci
