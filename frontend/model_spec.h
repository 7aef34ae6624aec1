// What a model *is*, independent of the file format that said so: the frontend's only product
// besides IR.
//
// Every reader (Hugging Face today) resolves its file into a ModelSpec; the builder lowers a
// ModelSpec to `llm` IR. A ModelSpec is complete and consistent: readers refuse what they cannot
// represent, so nothing downstream guesses.
#pragma once

#include "frontend/quantization.h"
#include "runtime/support/dtype.h"
#include "runtime/support/error.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// The model families that Vinci knows. The spelling in config.json is `model_type`.
enum class Architecture { Llama, Qwen2, Qwen3, Qwen3Moe };

/// "llama", "qwen2", "qwen3", "qwen3_moe".
std::string_view toString(Architecture architecture);

/// Sampling defaults of generation_config.json, and what a deployment says of prompts; absent where
/// no file does.
struct GenerationDefaults {
  std::optional<bool> doSample;
  std::optional<double> temperature;
  std::optional<int64_t> topK;
  std::optional<double> topP;
  std::optional<double> repetitionPenalty;
  std::optional<std::string> chatTemplate; ///< in place of the tokenizer's
  std::vector<std::string> prompts;        ///< for a run that is given none
  std::optional<int64_t> maxTokens;        ///< of each of them
  std::optional<std::string> inputTokens;  ///< lengths of prompts to make up where there are none:
  std::optional<std::string> outputTokens; ///< runtime/support/lengths.h
  std::optional<int64_t> requests;         ///< how many
  std::optional<int64_t> concurrency;      ///< of them, at the same time
};

/// The mixture of experts of a sparse layer.
struct MoeSpec {
  int64_t numExperts = 0;
  int64_t numExpertsPerTok = 0;
  int64_t moeIntermediateSize = 0;
  bool normTopkProb = false;
  int64_t decoderSparseStep = 1;
  std::vector<int64_t> mlpOnlyLayers;
};

/// What tells decoder layers apart: layers of one kind are one computation with other weights.
struct LayerKind {
  bool sparse = false; ///< has experts
  LayerQuant quant;

  auto operator<=>(const LayerKind &) const = default;
};

/// "decoder_layer", "sparse_decoder_layer_w8a8".
std::string toString(const LayerKind &kind);

/// Something in a config that Vinci ignores and that its author may want to know about.
struct Warning {
  SourcePosition position;
  std::string message;
};

/// `file:line:col: warning: message`.
std::string toString(const Warning &warning);

struct ModelSpec {
  Architecture architecture = Architecture::Llama;
  /// From the config (never from the folder): basename of `_name_or_path`, else
  /// "<model_type>-<layers>x<hidden_size>".
  std::string name;

  int64_t hiddenSize = 0;
  int64_t intermediateSize = 0; ///< of dense MLP layers
  int64_t numHiddenLayers = 0;
  int64_t numAttentionHeads = 0;
  int64_t numKeyValueHeads = 0;
  int64_t headDim = 0; ///< explicit head_dim wins over hidden_size / num_attention_heads
  int64_t vocabSize = 0;
  int64_t maxPositionEmbeddings = 0;
  double rmsNormEps = 0;
  double ropeTheta = 0;

  bool tieWordEmbeddings = false;
  bool qkvBias = false;    ///< q, k and v projections have a bias
  bool outputBias = false; ///< the o projection has a bias
  bool mlpBias = false;
  bool qkNorm = false; ///< RMSNorm over head_dim of q and k, before RoPE
  std::optional<MoeSpec> moe;
  std::optional<QuantSpec> quant; ///< of a quantised checkpoint

  DType dtype = DType::Float32;     ///< what the checkpoint was saved in
  std::vector<int64_t> eosTokenIds; ///< config.json and generation_config.json; the latter wins
  std::optional<int64_t> bosTokenId;
  std::optional<int64_t> padTokenId;
  GenerationDefaults generation;

  /// Where each resolved value was read: key name as in the file -> position relative to the model
  /// directory, e.g. "rope_theta" -> config.json:21:3. Used for IR locations and for messages. The
  /// key "" stands for the config file as a whole.
  std::map<std::string, SourcePosition> origins;
  /// In the order of the file; their positions carry the path that the user gave.
  std::vector<Warning> warnings;

  int64_t queryWidth() const { return numAttentionHeads * headDim; }
  int64_t keyValueWidth() const { return numKeyValueHeads * headDim; }
  /// True if layer i has experts: i is not in mlp_only_layers and (i + 1) % decoder_sparse_step ==
  /// 0.
  bool isSparseLayer(int64_t layer) const;
  LayerKind layerKind(int64_t layer) const;
  /// The kinds that there are, in their order, and how many layers are of each.
  std::map<LayerKind, int64_t> layerKinds() const;
  /// The position of `key`, or of the config file as a whole.
  SourcePosition origin(const std::string &key) const;
};

} // namespace vinci
