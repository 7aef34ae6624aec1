#include "frontend/model_spec.h"

#include <algorithm>

namespace vinci {

std::string_view toString(Architecture architecture) {
  switch (architecture) {
  case Architecture::Llama:
    return "llama";
  case Architecture::Qwen2:
    return "qwen2";
  case Architecture::Qwen3:
    return "qwen3";
  case Architecture::Qwen3Moe:
    return "qwen3_moe";
  }
  return "unknown";
}

std::string toString(const Warning &warning) {
  return fmt::format("{}: warning: {}", toString(warning.position), warning.message);
}

std::string toString(const LayerKind &kind) {
  return (kind.sparse ? "sparse_decoder_layer" : "decoder_layer") + nameSuffix(kind.quant);
}

bool ModelSpec::isSparseLayer(int64_t layer) const {
  if (!moe || (layer + 1) % moe->decoderSparseStep != 0)
    return false;
  const std::vector<int64_t> &dense = moe->mlpOnlyLayers;
  return std::find(dense.begin(), dense.end(), layer) == dense.end();
}

LayerKind ModelSpec::layerKind(int64_t layer) const {
  return {isSparseLayer(layer), quant ? quant->layers[layer] : LayerQuant()};
}

std::map<LayerKind, int64_t> ModelSpec::layerKinds() const {
  std::map<LayerKind, int64_t> kinds;
  for (int64_t layer = 0; layer < numHiddenLayers; ++layer)
    ++kinds[layerKind(layer)];
  return kinds;
}

SourcePosition ModelSpec::origin(const std::string &key) const {
  if (auto found = origins.find(key); found != origins.end())
    return found->second;
  if (auto file = origins.find(""); file != origins.end())
    return file->second;
  return {};
}

} // namespace vinci
