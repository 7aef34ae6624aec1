#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config_reader.h"

#include <algorithm>

namespace vinci {

std::vector<WeightSpec> modelWeights(const ModelSpec &spec) {
  std::vector<WeightSpec> weights = {
      {"embed_tokens", "model.embed_tokens.weight", {spec.vocabSize, spec.hiddenSize}},
      {"norm", "model.norm.weight", {spec.hiddenSize}},
  };
  if (!spec.tieWordEmbeddings)
    weights.push_back({"lm_head", "lm_head.weight", {spec.vocabSize, spec.hiddenSize}});
  return weights;
}

std::vector<WeightSpec> layerWeights(const ModelSpec &spec, bool sparse) {
  std::vector<WeightSpec> weights;
  const std::string layer = "model.layers.{layer}.";
  auto norm = [&](const std::string &symbol, const std::string &path, int64_t size) {
    weights.push_back({symbol, layer + path + ".weight", {size}});
  };
  auto linear = [&](const std::string &symbol, const std::string &path, int64_t out, int64_t in,
                    bool bias, int64_t stack = 0) {
    weights.push_back({symbol, layer + path + ".weight", {out, in}, stack});
    if (bias)
      weights.push_back({symbol + ".bias", layer + path + ".bias", {out}});
  };

  const int64_t hidden = spec.hiddenSize;
  norm("input_layernorm", "input_layernorm", hidden);
  linear("q_proj", "self_attn.q_proj", spec.queryWidth(), hidden, spec.qkvBias);
  linear("k_proj", "self_attn.k_proj", spec.keyValueWidth(), hidden, spec.qkvBias);
  linear("v_proj", "self_attn.v_proj", spec.keyValueWidth(), hidden, spec.qkvBias);
  if (spec.qkNorm) {
    norm("q_norm", "self_attn.q_norm", spec.headDim);
    norm("k_norm", "self_attn.k_norm", spec.headDim);
  }
  linear("o_proj", "self_attn.o_proj", hidden, spec.queryWidth(), spec.outputBias);
  norm("post_attention_layernorm", "post_attention_layernorm", hidden);

  if (sparse) {
    const int64_t width = spec.moe->moeIntermediateSize;
    const int64_t experts = spec.moe->numExperts;
    linear("router", "mlp.gate", experts, hidden, false);
    linear("gate_proj", "mlp.experts.{}.gate_proj", width, hidden, false, experts);
    linear("up_proj", "mlp.experts.{}.up_proj", width, hidden, false, experts);
    linear("down_proj", "mlp.experts.{}.down_proj", hidden, width, false, experts);
  } else {
    linear("gate_proj", "mlp.gate_proj", spec.intermediateSize, hidden, spec.mlpBias);
    linear("up_proj", "mlp.up_proj", spec.intermediateSize, hidden, spec.mlpBias);
    linear("down_proj", "mlp.down_proj", hidden, spec.intermediateSize, spec.mlpBias);
  }
  return weights;
}

/// `pattern` with the first `placeholder`, if there is one, replaced by `index`.
static std::string substitute(std::string pattern, std::string_view placeholder, int64_t index) {
  if (size_t at = pattern.find(placeholder); at != std::string::npos)
    pattern.replace(at, placeholder.size(), std::to_string(index));
  return pattern;
}

std::vector<ExpectedTensor> expectedTensors(const ModelSpec &spec) {
  std::vector<ExpectedTensor> tensors;
  auto add = [&](const WeightSpec &weight, const std::string &source) {
    std::vector<uint64_t> shape(weight.shape.begin(), weight.shape.end());
    if (weight.stack == 0)
      tensors.push_back({source, shape});
    for (int64_t i = 0; i < weight.stack; ++i)
      tensors.push_back({substitute(source, "{}", i), shape});
  };
  std::vector<WeightSpec> outer = modelWeights(spec);
  add(outer.front(), outer.front().source);
  const std::vector<WeightSpec> dense = layerWeights(spec, false);
  const std::vector<WeightSpec> sparse = spec.moe ? layerWeights(spec, true) : dense;
  for (int64_t layer = 0; layer < spec.numHiddenLayers; ++layer)
    for (const WeightSpec &weight : spec.isSparseLayer(layer) ? sparse : dense)
      add(weight, substitute(weight.source, "{layer}", layer));
  for (size_t i = 1; i < outer.size(); ++i)
    add(outer[i], outer[i].source);
  return tensors;
}

CheckpointSize checkpointSize(const ModelSpec &spec) {
  CheckpointSize size;
  auto add = [&](const std::vector<WeightSpec> &weights, double times) {
    for (const WeightSpec &weight : weights) {
      double elements = 1;
      for (int64_t extent : weight.shape)
        elements *= double(extent);
      double stack = weight.stack == 0 ? 1 : double(weight.stack);
      double active = weight.stack == 0 ? 1 : double(spec.moe->numExpertsPerTok);
      size.tensors += times * stack;
      size.parameters += times * elements * stack;
      size.activeParameters += times * elements * active;
      size.largestWeight = std::max(size.largestWeight, elements * stack);
    }
  };
  int64_t sparseLayers = 0;
  for (int64_t layer = 0; layer < spec.numHiddenLayers; ++layer)
    sparseLayers += spec.isSparseLayer(layer);
  add(modelWeights(spec), 1);
  if (sparseLayers > 0)
    add(layerWeights(spec, true), double(sparseLayers));
  if (sparseLayers < spec.numHiddenLayers)
    add(layerWeights(spec, false), double(spec.numHiddenLayers - sparseLayers));
  return size;
}

std::optional<SizeProblem> findSizeProblem(const ModelSpec &spec) {
  const CheckpointSize size = checkpointSize(spec);
  if (size.tensors > ConfigCaps::tensors)
    return SizeProblem{"num_hidden_layers",
                       fmt::format("the model would have {:.0f} tensors; at most {:.0f} are read",
                                   size.tensors, ConfigCaps::tensors)};
  if (size.largestWeight > ConfigCaps::elements)
    return SizeProblem{
        "",
        fmt::format("the largest weight would have {:.0f} elements; at most {:.0f} are supported",
                    size.largestWeight, ConfigCaps::elements)};
  if (size.parameters > ConfigCaps::parameters)
    return SizeProblem{
        "", fmt::format("the model would have {:.3g} parameters; at most {:.3g} are read",
                        size.parameters, ConfigCaps::parameters)};
  return std::nullopt;
}

} // namespace vinci
