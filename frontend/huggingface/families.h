// The model families that are read from config.json, and what transformers takes where a config of
// theirs is silent.
//
// Values are those of configuration_{llama,qwen2,qwen3,qwen3_moe}.py; 4.5x and 5.x agree in all of
// them. A new family is a row here, and code only for what no row can say (see ../README.md).
#pragma once

#include "frontend/model_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vinci {

/// Where the projections' biases come from.
enum class BiasRule {
  QkvAlways,        ///< q, k, v have one and o has none, whatever the config says (qwen2)
  AttentionBiasKey, ///< `attention_bias` speaks for q, k, v and o
};

struct Family {
  Architecture architecture;
  std::string_view modelType; ///< model_type
  std::string_view causalLm;  ///< the class in `architectures`
  int64_t numKeyValueHeads; ///< where the key is absent; 0: num_attention_heads (which null always
                            ///< means)
  int64_t headDim;          ///< where the key is absent; 0: hidden_size / num_attention_heads
  int64_t maxPositionEmbeddings;
  std::optional<int64_t> bosTokenId;
  std::optional<int64_t> eosTokenId;
  BiasRule bias;
  bool mlpBiasKey; ///< `mlp_bias` is a key of the family
  bool qkNorm;
  bool moe;
  bool slidingWindowKeys; ///< use_sliding_window, sliding_window and max_window_layers are keys of
                          ///< the family
  bool layerTypesKey; ///< `layer_types` decides about sliding windows; without it every layer would
                      ///< slide
};

/// nullptr for an unknown one.
const Family *findFamilyByModelType(std::string_view modelType);
const Family *findFamilyByClass(std::string_view causalLm);

/// "llama, qwen2, qwen3, qwen3_moe".
std::string knownModelTypes();

} // namespace vinci
