#include "tools/compiler/reference_config.h"

namespace vinci {

static ReferenceScheme toScheme(QuantScheme scheme) {
  switch (scheme) {
  case QuantScheme::Float:
    return ReferenceScheme::Float;
  case QuantScheme::W8A8:
    return ReferenceScheme::W8A8;
  case QuantScheme::W8A8Dynamic:
    return ReferenceScheme::W8A8Dynamic;
  case QuantScheme::W8A16:
    return ReferenceScheme::W8A16;
  }
  failInternal("unknown scheme of quantisation");
}

static ReferenceNorm toNorm(NormBias bias) {
  return {bias == NormBias::Module ? "module." : "", bias != NormBias::None};
}

ReferenceConfig toReferenceConfig(const ModelSpec &spec) {
  ReferenceConfig config;
  config.architecture = toString(spec.architecture);
  config.vocabSize = uint64_t(spec.vocabSize);
  config.hiddenSize = uint64_t(spec.hiddenSize);
  config.intermediateSize = uint64_t(spec.intermediateSize);
  config.numHiddenLayers = uint64_t(spec.numHiddenLayers);
  config.numAttentionHeads = uint64_t(spec.numAttentionHeads);
  config.numKeyValueHeads = uint64_t(spec.numKeyValueHeads);
  config.headDim = uint64_t(spec.headDim);
  config.rmsNormEps = spec.rmsNormEps;
  config.ropeTheta = spec.ropeTheta;
  config.tieWordEmbeddings = spec.tieWordEmbeddings;
  config.qkvBias = spec.qkvBias;
  config.outputBias = spec.outputBias;
  config.mlpBias = spec.mlpBias;
  config.qkNorm = spec.qkNorm;
  if (spec.moe) {
    config.numExperts = uint64_t(spec.moe->numExperts);
    config.numExpertsPerTok = uint64_t(spec.moe->numExpertsPerTok);
    config.moeIntermediateSize = uint64_t(spec.moe->moeIntermediateSize);
    config.normTopkProb = spec.moe->normTopkProb;
    config.decoderSparseStep = uint64_t(spec.moe->decoderSparseStep);
    config.mlpOnlyLayers.assign(spec.moe->mlpOnlyLayers.begin(), spec.moe->mlpOnlyLayers.end());
  }
  if (!spec.quant)
    return config;
  config.norm = toNorm(spec.quant->norm);
  config.head = toScheme(spec.quant->head);
  for (const LayerQuant &layer : spec.quant->layers)
    config.schemes.push_back({toScheme(layer.qkv), toScheme(layer.output), toScheme(layer.gateUp),
                              toScheme(layer.down), toNorm(layer.inputNorm),
                              toNorm(layer.postAttentionNorm), layer.qkvBias, layer.outputBias,
                              layer.gateUpBias, layer.downBias});
  return config;
}

} // namespace vinci
