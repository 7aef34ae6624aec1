#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config_reader.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace vinci {

namespace {

/// Lists weights whose names begin with `prefix`.
class WeightList {
public:
  explicit WeightList(std::string prefix) : prefix_(std::move(prefix)) {}

  void norm(const std::string &symbol, const std::string &path, int64_t size,
            NormBias bias = NormBias::None) {
    const std::string prefix = prefix_ + path + (bias == NormBias::Module ? ".module" : "");
    add({.symbol = symbol, .source = prefix + ".weight", .shape = {size}});
    if (bias != NormBias::None)
      add({.symbol = symbol + ".bias", .source = prefix + ".bias", .shape = {size}});
  }

  void linear(const std::string &symbol, const std::string &path, int64_t out, int64_t in,
              bool bias, QuantScheme scheme = QuantScheme::Float, int64_t stack = 0) {
    auto tensor = [&](const std::string &name, std::vector<int64_t> shape,
                      std::optional<DType> dtype = std::nullopt, bool unread = false) {
      add({.symbol = name == "weight" ? symbol : symbol + "." + name,
           .source = prefix_ + path + "." + name,
           .shape = std::move(shape),
           .stack = stack,
           .dtype = dtype,
           .scheme = scheme,
           .unread = unread});
    };
    switch (scheme) {
    case QuantScheme::Float:
      tensor("weight", {out, in});
      break;
    case QuantScheme::W8A8:
      tensor("weight", {out, in}, DType::Int8);
      tensor("input_scale", {1}, DType::Float32);
      tensor("input_offset", {1}, DType::Float32);
      tensor("quant_bias", {out}, DType::Int32);
      tensor("deq_scale", {out}, DType::Float32);
      return; // the bias is in quant_bias
    case QuantScheme::W8A8Dynamic:
    case QuantScheme::W8A16:
      tensor("weight", {out, in}, DType::Int8);
      tensor("weight_scale", {out, 1}, DType::Float32);
      tensor("weight_offset", {out, 1}, DType::Float32, /*unread=*/true);
      break;
    }
    if (bias)
      tensor("bias", {out});
  }

  std::vector<WeightSpec> take() { return std::move(weights_); }

private:
  void add(WeightSpec weight) { weights_.push_back(std::move(weight)); }

  const std::string prefix_;
  std::vector<WeightSpec> weights_;
};

} // namespace

std::vector<WeightSpec> modelWeights(const ModelSpec &spec) {
  std::vector<WeightSpec> weights = {
      {"embed_tokens", "model.embed_tokens.weight", {spec.vocabSize, spec.hiddenSize}},
      {"norm", "model.norm.weight", {spec.hiddenSize}},
  };
  if (spec.quant && spec.quant->norm != NormBias::None)
    weights.push_back({"norm.bias", "model.norm.bias", {spec.hiddenSize}});
  if (!spec.tieWordEmbeddings) {
    WeightList head("");
    head.linear("lm_head", "lm_head", spec.vocabSize, spec.hiddenSize, false,
                spec.quant ? spec.quant->head : QuantScheme::Float);
    std::ranges::move(head.take(), std::back_inserter(weights));
  }
  return weights;
}

std::vector<WeightSpec> layerWeights(const ModelSpec &spec, const LayerKind &kind) {
  WeightList list("model.layers.{layer}.");
  const int64_t hidden = spec.hiddenSize;
  const LayerQuant &quant = kind.quant;
  list.norm("input_layernorm", "input_layernorm", hidden, quant.inputNorm);
  const bool qkvBias = spec.qkvBias || quant.qkvBias;
  list.linear("q_proj", "self_attn.q_proj", spec.queryWidth(), hidden, qkvBias, quant.qkv);
  list.linear("k_proj", "self_attn.k_proj", spec.keyValueWidth(), hidden, qkvBias, quant.qkv);
  list.linear("v_proj", "self_attn.v_proj", spec.keyValueWidth(), hidden, qkvBias, quant.qkv);
  if (spec.qkNorm) {
    list.norm("q_norm", "self_attn.q_norm", spec.headDim);
    list.norm("k_norm", "self_attn.k_norm", spec.headDim);
  }
  list.linear("o_proj", "self_attn.o_proj", hidden, spec.queryWidth(),
              spec.outputBias || quant.outputBias, quant.output);
  list.norm("post_attention_layernorm", "post_attention_layernorm", hidden,
            quant.postAttentionNorm);

  const int64_t experts = kind.sparse ? spec.moe->numExperts : 0;
  const int64_t width = kind.sparse ? spec.moe->moeIntermediateSize : spec.intermediateSize;
  const bool bias = !kind.sparse && spec.mlpBias, gateUpBias = bias || quant.gateUpBias;
  const std::string mlp = kind.sparse ? "mlp.experts.{}." : "mlp.";
  if (kind.sparse)
    list.linear("router", "mlp.gate", experts, hidden, false);
  list.linear("gate_proj", mlp + "gate_proj", width, hidden, gateUpBias, quant.gateUp, experts);
  list.linear("up_proj", mlp + "up_proj", width, hidden, gateUpBias, quant.gateUp, experts);
  list.linear("down_proj", mlp + "down_proj", hidden, width, bias || quant.downBias, quant.down,
              experts);
  return list.take();
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
      tensors.push_back({source, shape, weight.dtype, weight.unread});
    for (int64_t i = 0; i < weight.stack; ++i)
      tensors.push_back({substitute(source, "{}", i), shape, weight.dtype, weight.unread});
  };
  std::vector<WeightSpec> outer = modelWeights(spec);
  add(outer.front(), outer.front().source);
  std::map<LayerKind, std::vector<WeightSpec>> weightsOf;
  for (const auto &[kind, layers] : spec.layerKinds())
    weightsOf[kind] = layerWeights(spec, kind);
  for (int64_t layer = 0; layer < spec.numHiddenLayers; ++layer)
    for (const WeightSpec &weight : weightsOf.at(spec.layerKind(layer)))
      add(weight, substitute(weight.source, "{layer}", layer));
  for (size_t i = 1; i < outer.size(); ++i)
    add(outer[i], outer[i].source);
  return tensors;
}

/// True for the weights that make a model's parameter count: not what quantisation adds to them.
static bool isParameter(const WeightSpec &weight) {
  return weight.scheme == QuantScheme::Float || weight.source.ends_with(".weight") ||
         weight.source.ends_with(".bias");
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
      size.largestWeight = std::max(size.largestWeight, elements * stack);
      if (!weight.unread)
        size.bytes +=
            times * elements * stack * double(byteSize(weight.dtype.value_or(spec.dtype)));
      if (!isParameter(weight))
        continue;
      size.parameters += times * elements * stack;
      size.activeParameters += times * elements * active;
    }
  };
  add(modelWeights(spec), 1);
  for (const auto &[kind, layers] : spec.layerKinds())
    add(layerWeights(spec, kind), double(layers));
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
