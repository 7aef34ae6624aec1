#include "runtime/reference/reference_weights.h"

#include "runtime/support/half.h"

#include <cstring>

namespace vinci {

namespace {

/// Lists what a model needs: a table of its own, so that a mistake in the compiler's shows.
class RequiredList {
public:
  explicit RequiredList(const ReferenceConfig &config) : config_(config) {
    const uint64_t hidden = config.hiddenSize;
    add("model.embed_tokens.weight", {config.vocabSize, hidden});
    for (uint64_t i = 0; i < config.numHiddenLayers; ++i)
      addLayer(i);
    addNorm("model.norm.", config.norm);
    if (!config.tieWordEmbeddings)
      addLinear("lm_head", config.vocabSize, hidden, false, config.head);
  }

  std::vector<RequiredTensor> take() { return std::move(list_); }

private:
  void add(const std::string &name, std::vector<uint64_t> shape, DType dtype = DType::Float32) {
    list_.push_back({name, std::move(shape), dtype});
  }

  void addNorm(const std::string &norm, const ReferenceNorm &kind) {
    add(norm + kind.prefix + "weight", {config_.hiddenSize});
    if (kind.bias)
      add(norm + kind.prefix + "bias", {config_.hiddenSize});
  }

  void addLinear(const std::string &name, uint64_t out, uint64_t in, bool bias,
                 ReferenceScheme scheme = ReferenceScheme::Float) {
    const bool quantized = scheme != ReferenceScheme::Float;
    add(name + ".weight", {out, in}, quantized ? DType::Int8 : DType::Float32);
    if (scheme == ReferenceScheme::W8A8) {
      add(name + ".input_scale", {1});
      add(name + ".input_offset", {1});
      add(name + ".quant_bias", {out}, DType::Int32);
      add(name + ".deq_scale", {out});
      return; // the bias is in quant_bias
    }
    if (quantized)
      add(name + ".weight_scale", {out, 1});
    if (bias)
      add(name + ".bias", {out});
  }

  void addMlp(const std::string &mlp, uint64_t width, bool bias, const ReferenceSchemes &schemes) {
    const bool gateUpBias = bias || schemes.gateUpBias;
    addLinear(mlp + "gate_proj", width, config_.hiddenSize, gateUpBias, schemes.gateUp);
    addLinear(mlp + "up_proj", width, config_.hiddenSize, gateUpBias, schemes.gateUp);
    addLinear(mlp + "down_proj", config_.hiddenSize, width, bias || schemes.downBias, schemes.down);
  }

  void addLayer(uint64_t i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    const std::string attention = layer + "self_attn.";
    const ReferenceSchemes schemes = config_.schemesOf(i);
    const uint64_t hidden = config_.hiddenSize;
    const uint64_t queries = config_.numAttentionHeads * config_.headDim;
    const uint64_t keys = config_.numKeyValueHeads * config_.headDim;
    addNorm(layer + "input_layernorm.", schemes.inputNorm);
    const bool qkvBias = config_.qkvBias || schemes.qkvBias;
    addLinear(attention + "q_proj", queries, hidden, qkvBias, schemes.qkv);
    addLinear(attention + "k_proj", keys, hidden, qkvBias, schemes.qkv);
    addLinear(attention + "v_proj", keys, hidden, qkvBias, schemes.qkv);
    if (config_.qkNorm) {
      add(attention + "q_norm.weight", {config_.headDim});
      add(attention + "k_norm.weight", {config_.headDim});
    }
    addLinear(attention + "o_proj", hidden, queries, config_.outputBias || schemes.outputBias,
              schemes.output);
    addNorm(layer + "post_attention_layernorm.", schemes.postAttentionNorm);
    if (!config_.hasExperts(i))
      return addMlp(layer + "mlp.", config_.intermediateSize, config_.mlpBias, schemes);
    addLinear(layer + "mlp.gate", config_.numExperts, hidden, false);
    for (uint64_t e = 0; e < config_.numExperts; ++e)
      addMlp(fmt::format("{}mlp.experts.{}.", layer, e), config_.moeIntermediateSize, false,
             schemes);
  }

  const ReferenceConfig &config_;
  std::vector<RequiredTensor> list_;
};

template <typename T> T bitsAt(const std::byte *element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

float floatAt(const std::byte *element, DType dtype) {
  switch (dtype) {
  case DType::Float32:
    return bitsAt<float>(element);
  case DType::BFloat16:
    return floatOfBFloat16(bitsAt<uint16_t>(element));
  case DType::Float16:
    return floatOfFloat16(bitsAt<uint16_t>(element));
  case DType::Int8:
    return bitsAt<int8_t>(element);
  case DType::Int32:
    break;
  }
  failInternal("the reference reads {} as a float", toString(dtype));
}

int32_t integerAt(const std::byte *element, DType dtype) {
  return dtype == DType::Int8 ? bitsAt<int8_t>(element) : bitsAt<int32_t>(element);
}

template <typename T>
MatrixOf<T> read(const TensorSlice &slice, T (*elementAt)(const std::byte *, DType)) {
  MatrixOf<T> matrix(slice.rows, slice.columns);
  for (uint64_t row = 0; row < slice.rows; ++row)
    for (uint64_t column = 0; column < slice.columns; ++column)
      matrix.at(row, column) = elementAt(slice.at(row, column), slice.dtype);
  return matrix;
}

} // namespace

std::vector<RequiredTensor> requiredTensors(const ReferenceConfig &config) {
  return RequiredList(config).take();
}

ReferenceWeights::ReferenceWeights(const ReferenceConfig &config, Checkpoint checkpoint)
    : checkpoint_(std::move(checkpoint)),
      sources_(checkWeights(requiredTensors(config), config.numKeyValueHeads, checkpoint_)) {}

Matrix ReferenceWeights::floats(const std::string &name) const {
  return read<float>(sources_.at(name).slice, floatAt);
}

IntMatrix ReferenceWeights::integers(const std::string &name) const {
  return read<int32_t>(sources_.at(name).slice, integerAt);
}

} // namespace vinci
