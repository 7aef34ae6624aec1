#include "frontend/settings/model_settings.h"
#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config_reader.h"

#include <filesystem>

namespace vinci {

namespace {

const SourcePosition transformersDefault{"default"};

/// Moves the values of a ModelSpec into settings with the places they came from.
struct ToSettings {
  const ModelSpec &spec;
  const std::string &directory;

  template <typename T> Setting<T> operator()(const char *key, T value) const {
    const auto origin = spec.origins.find(key);
    if (origin == spec.origins.end())
      return {std::move(value), transformersDefault, Authority::Default};
    SourcePosition position = origin->second;
    const bool generation = position.file == "generation_config.json";
    position.file = (std::filesystem::path(directory) / position.file).string();
    return {std::move(value), position,
            generation ? Authority::GenerationConfig : Authority::Config};
  }
  template <typename T> Setting<T> operator()(const char *key, std::optional<T> value) const {
    return value ? (*this)(key, *value) : Setting<T>();
  }
};

} // namespace

ModelSettings toSettings(const ModelSpec &spec, const std::string &directory) {
  const ToSettings from{spec, directory};
  ModelSettings s;
  s.name = from("_name_or_path", spec.name);
  s.architecture = from("model_type", std::string(toString(spec.architecture)));
  s.dtype = from("dtype", std::string(toString(spec.dtype)));
  s.hiddenSize = from("hidden_size", spec.hiddenSize);
  s.intermediateSize = from("intermediate_size", spec.intermediateSize);
  s.numHiddenLayers = from("num_hidden_layers", spec.numHiddenLayers);
  s.numAttentionHeads = from("num_attention_heads", spec.numAttentionHeads);
  s.numKeyValueHeads = from("num_key_value_heads", spec.numKeyValueHeads);
  s.headDim = from("head_dim", spec.headDim);
  s.vocabSize = from("vocab_size", spec.vocabSize);
  s.maxPositionEmbeddings = from("max_position_embeddings", spec.maxPositionEmbeddings);
  s.rmsNormEps = from("rms_norm_eps", spec.rmsNormEps);
  s.ropeTheta = from("rope_theta", spec.ropeTheta);
  s.tieWordEmbeddings = from("tie_word_embeddings", spec.tieWordEmbeddings);
  s.qkvBias = from("attention_bias", spec.qkvBias);
  s.outputBias = from("attention_bias", spec.outputBias);
  s.mlpBias = from("mlp_bias", spec.mlpBias);
  s.qkNorm = from("model_type", spec.qkNorm);
  if (spec.moe) {
    s.numExperts = from("num_experts", spec.moe->numExperts);
    s.numExpertsPerTok = from("num_experts_per_tok", spec.moe->numExpertsPerTok);
    s.moeIntermediateSize = from("moe_intermediate_size", spec.moe->moeIntermediateSize);
    s.normTopkProb = from("norm_topk_prob", spec.moe->normTopkProb);
    s.decoderSparseStep = from("decoder_sparse_step", spec.moe->decoderSparseStep);
    s.mlpOnlyLayers = from("mlp_only_layers", spec.moe->mlpOnlyLayers);
  }
  if (spec.quant)
    s.layerSchemes = {layerRuns(*spec.quant),
                      {(std::filesystem::path(directory) / quantDescriptionFile).string()},
                      Authority::Config};
  if (!spec.eosTokenIds.empty())
    s.eosTokenIds = from("eos_token_id", spec.eosTokenIds);
  s.bosTokenId = from("bos_token_id", spec.bosTokenId);
  s.padTokenId = from("pad_token_id", spec.padTokenId);
  s.doSample = from("do_sample", spec.generation.doSample);
  s.temperature = from("temperature", spec.generation.temperature);
  s.topK = from("top_k", spec.generation.topK);
  s.topP = from("top_p", spec.generation.topP);
  s.repetitionPenalty = from("repetition_penalty", spec.generation.repetitionPenalty);
  return s;
}

namespace {

/// Moves settings into a ModelSpec; remembers origins relative to the model, as locations in IR
/// are.
struct ToSpec {
  ModelSpec &spec;

  template <typename T, typename U>
  void operator()(const char *key, const Setting<T> &from, U &to) {
    if (!from)
      return;
    to = *from;
    if (from.authority == Authority::Default)
      return;
    SourcePosition position = from.origin;
    // A stored origin has its line and column in the text.
    position.file = std::filesystem::path(position.file).filename().string();
    spec.origins[key] = position;
  }
};

template <typename T>
const T &require(const Setting<T> &setting, const SourcePosition &place, std::string_view name) {
  if (!setting)
    fail(place, "{} is missing; it must be given", name);
  return *setting;
}

Architecture parseArchitecture(const std::string &name) {
  for (Architecture a :
       {Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3, Architecture::Qwen3Moe})
    if (name == toString(a))
      return a;
  failInternal("unknown architecture {}", name);
}

void readExperts(const ModelSettings &s, ToSpec &to) {
  ModelSpec &spec = to.spec;
  if (!s.numExperts)
    return;
  spec.moe.emplace();
  to("num_experts", s.numExperts, spec.moe->numExperts);
  const SourcePosition &place = s.numExperts.origin;
  require(s.numExpertsPerTok, place, "num_experts_per_tok");
  require(s.moeIntermediateSize, place, "moe_intermediate_size");
  to("num_experts_per_tok", s.numExpertsPerTok, spec.moe->numExpertsPerTok);
  to("moe_intermediate_size", s.moeIntermediateSize, spec.moe->moeIntermediateSize);
  to("norm_topk_prob", s.normTopkProb, spec.moe->normTopkProb);
  to("decoder_sparse_step", s.decoderSparseStep, spec.moe->decoderSparseStep);
  to("mlp_only_layers", s.mlpOnlyLayers, spec.moe->mlpOnlyLayers);
  if (spec.moe->numExpertsPerTok > spec.moe->numExperts)
    fail(s.numExpertsPerTok.origin, "num_experts_per_tok {} exceeds num_experts {}",
         spec.moe->numExpertsPerTok, spec.moe->numExperts);
}

} // namespace

std::optional<ModelSpec> toModelSpec(const ModelSettings &s) {
  // A recipe names a family, a launch script not even that: neither describes a model.
  if (!s.architecture || !(s.hiddenSize || s.numHiddenLayers || s.numAttentionHeads))
    return std::nullopt;
  ModelSpec spec;
  const SourcePosition &place = s.architecture.origin;
  spec.architecture = parseArchitecture(*s.architecture);
  require(s.hiddenSize, place, "hidden_size");
  require(s.numHiddenLayers, place, "num_hidden_layers");
  require(s.numAttentionHeads, place, "num_attention_heads");
  require(s.vocabSize, place, "vocab_size");
  require(s.intermediateSize, place, "intermediate_size");
  SourcePosition file = place;
  file.file = std::filesystem::path(file.file).filename().string();
  file.line = file.column = 0;
  spec.origins[""] = file;

  ToSpec to{spec};
  to("hidden_size", s.hiddenSize, spec.hiddenSize);
  to("intermediate_size", s.intermediateSize, spec.intermediateSize);
  to("num_hidden_layers", s.numHiddenLayers, spec.numHiddenLayers);
  to("num_attention_heads", s.numAttentionHeads, spec.numAttentionHeads);
  to("vocab_size", s.vocabSize, spec.vocabSize);
  spec.numKeyValueHeads = spec.numAttentionHeads;
  to("num_key_value_heads", s.numKeyValueHeads, spec.numKeyValueHeads);
  if (spec.numAttentionHeads % spec.numKeyValueHeads != 0)
    fail(s.numKeyValueHeads.origin,
         "num_attention_heads {} is not a multiple of num_key_value_heads {}",
         spec.numAttentionHeads, spec.numKeyValueHeads);
  if (!s.headDim && spec.hiddenSize % spec.numAttentionHeads != 0)
    fail(s.numAttentionHeads.origin,
         "hidden_size {} is not a multiple of num_attention_heads {}, and head_dim is not given",
         spec.hiddenSize, spec.numAttentionHeads);
  spec.headDim = spec.hiddenSize / spec.numAttentionHeads;
  to("head_dim", s.headDim, spec.headDim);
  if (spec.headDim % 2 != 0 || spec.headDim > ConfigCaps::headDim)
    fail(s.headDim ? s.headDim.origin : s.numAttentionHeads.origin,
         "head_dim is {}; an even number from 2 to {} is expected", spec.headDim,
         ConfigCaps::headDim);
  spec.maxPositionEmbeddings = 32768;
  to("max_position_embeddings", s.maxPositionEmbeddings, spec.maxPositionEmbeddings);
  spec.rmsNormEps = 1e-6;
  to("rms_norm_eps", s.rmsNormEps, spec.rmsNormEps);
  spec.ropeTheta = 10000;
  to("rope_theta", s.ropeTheta, spec.ropeTheta);
  to("tie_word_embeddings", s.tieWordEmbeddings, spec.tieWordEmbeddings);
  to("attention_bias", s.qkvBias, spec.qkvBias);
  to("attention_bias", s.outputBias, spec.outputBias);
  to("mlp_bias", s.mlpBias, spec.mlpBias);
  to("model_type", s.qkNorm, spec.qkNorm);
  readExperts(s, to);

  if (s.layerSchemes)
    spec.quant = parseLayerRuns(*s.layerSchemes, spec.numHiddenLayers, s.layerSchemes.origin);

  std::string dtype(toString(DType::Float32));
  to("dtype", s.dtype, dtype);
  spec.dtype = *parseDType(dtype);
  to("eos_token_id", s.eosTokenIds, spec.eosTokenIds);
  to("bos_token_id", s.bosTokenId, spec.bosTokenId);
  to("pad_token_id", s.padTokenId, spec.padTokenId);
  for (int64_t id : spec.eosTokenIds)
    if (id >= spec.vocabSize)
      fail(s.eosTokenIds.origin, "eos_token_id is {}; an integer from 0 to {} is expected", id,
           spec.vocabSize - 1);
  to("do_sample", s.doSample, spec.generation.doSample);
  to("temperature", s.temperature, spec.generation.temperature);
  to("top_k", s.topK, spec.generation.topK);
  to("top_p", s.topP, spec.generation.topP);
  to("repetition_penalty", s.repetitionPenalty, spec.generation.repetitionPenalty);
  spec.name = s.name.valueOr(
      fmt::format("{}-{}x{}", *s.architecture, spec.numHiddenLayers, spec.hiddenSize));
  if (std::optional<SizeProblem> problem = findSizeProblem(spec))
    fail(problem->key.empty() ? place : s.numHiddenLayers.origin, "{}", problem->message);
  return spec;
}

} // namespace vinci
