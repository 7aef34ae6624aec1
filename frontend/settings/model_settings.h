// A ModelSpec in the making: each value may come from another file.
#pragma once

#include "frontend/model_spec.h"
#include "frontend/settings/setting.h"

namespace vinci {

/// The fields of ModelSpec, under the names that config.json has for them.
struct ModelSettings {
  Setting<std::string> name, architecture, dtype;
  Setting<int64_t> hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads,
      numKeyValueHeads, headDim, vocabSize, maxPositionEmbeddings;
  Setting<double> rmsNormEps, ropeTheta;
  Setting<bool> tieWordEmbeddings, qkvBias, outputBias, mlpBias, qkNorm;
  Setting<int64_t> numExperts, numExpertsPerTok, moeIntermediateSize, decoderSparseStep;
  Setting<bool> normTopkProb;
  Setting<std::vector<int64_t>> mlpOnlyLayers, eosTokenIds;
  Setting<std::vector<std::string>> layerSchemes; ///< layerRuns of quantization.h
  Setting<int64_t> bosTokenId, padTokenId;
  Setting<bool> doSample;
  Setting<double> temperature, topP, repetitionPenalty;
  Setting<int64_t> topK;
};

/// What a config.json said; values that it left to defaults have Authority::Default.
ModelSettings toSettings(const ModelSpec &spec, const std::string &directory);

/// The model, or nothing if no file described one. Fails at its place on a value that contradicts
/// another one of the model or makes it larger than Vinci reads, and names what is missing.
std::optional<ModelSpec> toModelSpec(const ModelSettings &settings);

} // namespace vinci
