#include "frontend/huggingface/families.h"

#include <fmt/ranges.h>

namespace vinci {

static constexpr Family table[] = {
    {
        .architecture = Architecture::Llama,
        .modelType = "llama",
        .causalLm = "LlamaForCausalLM",
        .numKeyValueHeads = 0,
        .headDim = 0,
        .maxPositionEmbeddings = 2048,
        .bosTokenId = 1,
        .eosTokenId = 2,
        .bias = BiasRule::AttentionBiasKey,
        .mlpBiasKey = true,
        .qkNorm = false,
        .moe = false,
        .slidingWindowKeys = false,
        .layerTypesKey = false,
    },
    {
        .architecture = Architecture::Qwen2,
        .modelType = "qwen2",
        .causalLm = "Qwen2ForCausalLM",
        .numKeyValueHeads = 32,
        .headDim = 0,
        .maxPositionEmbeddings = 32768,
        .bosTokenId = std::nullopt,
        .eosTokenId = std::nullopt,
        .bias = BiasRule::QkvAlways,
        .mlpBiasKey = false,
        .qkNorm = false,
        .moe = false,
        .slidingWindowKeys = true,
        .layerTypesKey = true,
    },
    {
        .architecture = Architecture::Qwen3,
        .modelType = "qwen3",
        .causalLm = "Qwen3ForCausalLM",
        .numKeyValueHeads = 32,
        .headDim = 128,
        .maxPositionEmbeddings = 32768,
        .bosTokenId = std::nullopt,
        .eosTokenId = std::nullopt,
        .bias = BiasRule::AttentionBiasKey,
        .mlpBiasKey = false,
        .qkNorm = true,
        .moe = false,
        .slidingWindowKeys = true,
        .layerTypesKey = true,
    },
    {
        .architecture = Architecture::Qwen3Moe,
        .modelType = "qwen3_moe",
        .causalLm = "Qwen3MoeForCausalLM",
        .numKeyValueHeads = 4,
        .headDim = 0,
        .maxPositionEmbeddings = 32768,
        .bosTokenId = std::nullopt,
        .eosTokenId = std::nullopt,
        .bias = BiasRule::AttentionBiasKey,
        .mlpBiasKey = false,
        .qkNorm = true,
        .moe = true,
        .slidingWindowKeys = true,
        .layerTypesKey = false,
    },
};

const Family *findFamilyByModelType(std::string_view modelType) {
  for (const Family &family : table)
    if (family.modelType == modelType)
      return &family;
  return nullptr;
}

const Family *findFamilyByClass(std::string_view causalLm) {
  for (const Family &family : table)
    if (family.causalLm == causalLm)
      return &family;
  return nullptr;
}

std::string knownModelTypes() {
  std::vector<std::string_view> names;
  for (const Family &family : table)
    names.push_back(family.modelType);
  return fmt::format("{}", fmt::join(names, ", "));
}

} // namespace vinci
