#include "runtime/reference/reference_model.h"

#include "runtime/reference/quant_ops.h"

#include <algorithm>
#include <cmath>

namespace vinci {

const Matrix *ReferencePass::find(std::string_view name, int32_t layer) const {
  for (const ReferenceTensor &tensor : tensors)
    if (tensor.name == name && tensor.layer == layer)
      return &tensor.values;
  return nullptr;
}

namespace {

/// One pass over one sequence.
class Forward {
public:
  Forward(const ReferenceConfig &config, const ReferenceWeights &weights)
      : config_(config), weights_(weights) {}

  ReferencePass run(std::span<const int32_t> ids) {
    Matrix x = keep("embed_tokens", -1, ops::embedding(ids, embedding()));
    for (uint64_t i = 0; i < config_.numHiddenLayers; ++i)
      x = layer(i, x);
    x = keep("norm", -1, norm(x, "model.norm", config_.norm));
    pass_.logits = config_.tieWordEmbeddings ? ops::linear(x, embedding(), nullptr)
                                             : linear(x, "lm_head", false, config_.head);
    return std::move(pass_);
  }

private:
  Matrix keep(const std::string &name, int32_t layer, Matrix values) {
    pass_.tensors.push_back({name, layer, values});
    return values;
  }

  Matrix embedding() const { return weights_.floats("model.embed_tokens.weight"); }

  Matrix norm(const Matrix &x, const std::string &path, const ReferenceNorm &kind = {}) const {
    const auto part = [&](const char *name) {
      return weights_.floats(path + "." + kind.prefix + name);
    };
    const Matrix bias = kind.bias ? part("bias") : Matrix();
    return ops::rmsNorm(x, part("weight"), config_.rmsNormEps, kind.bias ? &bias : nullptr);
  }

  Matrix linear(const Matrix &x, const std::string &path, bool hasBias,
                ReferenceScheme scheme = ReferenceScheme::Float) const {
    const auto part = [&](const char *name) { return weights_.floats(path + "." + name); };
    if (scheme == ReferenceScheme::W8A8) {
      const IntMatrix input =
          ops::quantize(x, part("input_scale").at(0, 0), part("input_offset").at(0, 0));
      return ops::staticLinear(input, weights_.integers(path + ".weight"),
                               weights_.integers(path + ".quant_bias"), part("deq_scale"));
    }
    const Matrix bias = hasBias ? part("bias") : Matrix();
    const Matrix *biasOrNull = hasBias ? &bias : nullptr;
    if (scheme == ReferenceScheme::W8A8Dynamic)
      return ops::dynamicLinear(ops::quantizeRows(x), weights_.integers(path + ".weight"),
                                part("weight_scale"), biasOrNull);
    if (scheme == ReferenceScheme::W8A16)
      return ops::weightOnlyLinear(x, weights_.integers(path + ".weight"), part("weight_scale"),
                                   biasOrNull);
    return ops::linear(x, part("weight"), biasOrNull);
  }

  Matrix layer(uint64_t i, const Matrix &input) {
    const std::string path = fmt::format("model.layers.{}.", i);
    const auto number = int32_t(i);
    const ReferenceSchemes schemes = config_.schemesOf(i);
    const Matrix normed =
        keep("input_layernorm", number, norm(input, path + "input_layernorm", schemes.inputNorm));
    const Matrix residual =
        keep("o_proj.sum", number, ops::add(input, attention(i, normed, path + "self_attn.")));
    const Matrix y =
        keep("post_attention_layernorm", number,
             norm(residual, path + "post_attention_layernorm", schemes.postAttentionNorm));
    if (config_.hasExperts(i))
      return keep("down_proj.moe_combine.sum", number,
                  ops::add(residual, experts(i, y, path + "mlp.")));
    return keep("down_proj.sum", number, ops::add(residual, mlp(i, y, path + "mlp.")));
  }

  Matrix attention(uint64_t i, const Matrix &x, const std::string &path) {
    const ReferenceSchemes schemes = config_.schemesOf(i);
    const auto project = [&](const std::string &name) {
      return keep(name, int32_t(i),
                  linear(x, path + name, config_.qkvBias || schemes.qkvBias, schemes.qkv));
    };
    const auto rotate = [&](std::string name, Matrix heads, const std::string &normName) {
      if (config_.qkNorm) {
        name = normName;
        heads = keep(name, int32_t(i), norm(heads, path + name));
      }
      return keep(name + ".rope", int32_t(i), ops::rope(heads, config_.headDim, config_.ropeTheta));
    };
    const Matrix q = rotate("q_proj", project("q_proj"), "q_norm");
    const Matrix k = rotate("k_proj", project("k_proj"), "k_norm");
    const Matrix v = project("v_proj");
    const Matrix attended = keep("attention", int32_t(i), ops::attention(q, k, v, config_.headDim));
    return keep("o_proj", int32_t(i),
                linear(attended, path + "o_proj", config_.outputBias || schemes.outputBias,
                       schemes.output));
  }

  Matrix mlp(uint64_t i, const Matrix &x, const std::string &path) {
    const ReferenceSchemes schemes = config_.schemesOf(i);
    const auto number = int32_t(i);
    const auto project = [&](const std::string &name) {
      return keep(name, number,
                  linear(x, path + name, config_.mlpBias || schemes.gateUpBias, schemes.gateUp));
    };
    const Matrix gate = project("gate_proj");
    const Matrix activated = keep("gate_proj.silu", number, ops::silu(gate));
    const Matrix up = project("up_proj");
    const Matrix gated = keep("gate_proj.swiglu", number, ops::multiply(activated, up));
    return keep(
        "down_proj", number,
        linear(gated, path + "down_proj", config_.mlpBias || schemes.downBias, schemes.down));
  }

  Matrix experts(uint64_t i, const Matrix &x, const std::string &path) {
    const auto number = int32_t(i);
    const Matrix logits = keep("router", number, linear(x, path + "gate", false));
    const ops::Routing routing = ops::route(logits, config_.numExpertsPerTok, config_.normTopkProb);
    noteMargins(i, routing);
    keep("router.moe_route", number, routing.weights);
    const IntMatrix &chosen = routing.experts;
    keep("router.moe_route.1", number,
         Matrix(chosen.rows, chosen.columns, {chosen.values.begin(), chosen.values.end()}));

    std::vector<Matrix> choices(config_.numExpertsPerTok, Matrix(x.rows, x.columns));
    for (uint64_t e = 0; e < config_.numExperts; ++e)
      runExpert(i, e, x, fmt::format("{}experts.{}.", path, e), routing, choices);
    return keep("down_proj.moe_combine", number, ops::combine(choices, routing.weights));
  }

  /// Writes what expert `e` makes of the tokens that chose it into the rows of their choices.
  void runExpert(uint64_t i, uint64_t e, const Matrix &x, const std::string &path,
                 const ops::Routing &routing, std::vector<Matrix> &choices) const {
    Matrix input(0, x.columns);
    std::vector<float *> outputs;
    for (uint64_t t = 0; t < x.rows; ++t)
      for (uint64_t j = 0; j < choices.size(); ++j)
        if (uint64_t(routing.experts.at(t, j)) == e) {
          input.values.insert(input.values.end(), &x.at(t, 0), &x.at(t, 0) + x.columns);
          ++input.rows;
          outputs.push_back(&choices[j].at(t, 0));
        }
    if (outputs.empty())
      return;
    const ReferenceSchemes schemes = config_.schemesOf(i);
    const Matrix gate = linear(input, path + "gate_proj", false, schemes.gateUp);
    const Matrix up = linear(input, path + "up_proj", false, schemes.gateUp);
    const Matrix down =
        linear(ops::multiply(ops::silu(gate), up), path + "down_proj", false, schemes.down);
    for (uint64_t row = 0; row < down.rows; ++row)
      std::copy_n(&down.at(row, 0), down.columns, outputs[row]);
  }

  void noteMargins(uint64_t i, const ops::Routing &routing) {
    for (uint64_t t = 0; t < routing.margins.size(); ++t)
      if (std::isfinite(routing.margins[t]) &&
          (!pass_.routerMargin || routing.margins[t] < pass_.routerMargin->probability))
        pass_.routerMargin = RouterMargin{routing.margins[t], i, t};
  }

  const ReferenceConfig &config_;
  const ReferenceWeights &weights_;
  ReferencePass pass_;
};

} // namespace

ReferenceModel::ReferenceModel(ReferenceConfig config, Checkpoint checkpoint)
    : config_(std::move(config)), weights_(config_, std::move(checkpoint)) {}

ReferencePass ReferenceModel::forward(std::span<const int32_t> ids) const {
  return Forward(config_, weights_).run(ids);
}

} // namespace vinci
