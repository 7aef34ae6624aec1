// Schemes of linears, and what a description makes of a model; tests/error/quantization.py has what
// is refused.
#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config.h"
#include "frontend/quantization.h"
#include "tests/unit/frontend/config_text.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <set>

namespace vinci {
namespace {

using enum QuantScheme;

/// A description with the entries of `linears`, of every float tensor, and of what `scheme` adds to
/// a linear.
class DescriptionText {
public:
  DescriptionText &add(const std::string &tensor, QuantScheme scheme) {
    text_ += (text_.empty() ? "{\n\"" : ",\n\"") + tensor + "\": \"" +
             std::string(toString(scheme)) + "\"";
    return *this;
  }
  DescriptionText &linear(const std::string &name, QuantScheme scheme) {
    add(name + ".weight", scheme);
    if (scheme == W8A8)
      for (const char *part : {".input_scale", ".input_offset", ".quant_bias", ".deq_scale"})
        add(name + part, scheme);
    if (scheme == W8A8Dynamic || scheme == W8A16)
      for (const char *part : {".weight_scale", ".weight_offset"})
        add(name + part, scheme);
    return *this;
  }
  /// A layer by its number or a star; `mlp` is "mlp" or "mlp.experts.*".
  DescriptionText &layer(const std::string &number, const LayerQuant &quant,
                         const std::string &mlp = "mlp") {
    const std::string prefix = "model.layers." + number + ".";
    for (const char *name : {"q_proj", "k_proj", "v_proj"})
      linear(prefix + "self_attn." + name, quant.qkv);
    linear(prefix + "self_attn.o_proj", quant.output);
    for (const char *name : {"gate_proj", "up_proj"})
      linear(prefix + mlp + "." + name, quant.gateUp);
    return linear(prefix + mlp + ".down_proj", quant.down);
  }
  DescriptionText &floats() {
    for (const char *name :
         {"model.embed_tokens", "model.norm", "lm_head", "model.layers.*.input_layernorm",
          "model.layers.*.mlp.gate", "model.layers.*.post_attention_layernorm",
          "model.layers.*.self_attn.q_norm", "model.layers.*.self_attn.k_norm"})
      add(name + std::string(".weight"), Float);
    return *this;
  }
  std::string text() const { return text_ + "\n}\n"; }

private:
  std::string text_;
};

ModelSpec parse(const test::ConfigText &config, const DescriptionText &description) {
  return parseHuggingFaceConfig(config.text(), std::nullopt, "model/config.json",
                                description.text());
}

TEST(Quantization, SchemesAreNamedAsShortAsTheyCanBe) {
  struct {
    LayerQuant quant;
    const char *text, *suffix;
  } cases[] = {
      {{}, "FLOAT", ""},
      {{W8A8, W8A8, W8A8, W8A8}, "W8A8", "_w8a8"},
      {{W8A8Dynamic, W8A8Dynamic, W8A8Dynamic, W8A8Dynamic}, "W8A8_DYNAMIC", "_w8a8_dynamic"},
      {{W8A8, W8A8, W8A8Dynamic, W8A8Dynamic},
       "attention W8A8, mlp W8A8_DYNAMIC",
       "_attention_w8a8_mlp_w8a8_dynamic"},
      {{Float, Float, W8A8, W8A8}, "attention FLOAT, mlp W8A8", "_mlp_w8a8"},
      {{W8A8, Float, Float, Float}, "qkv W8A8, o_proj FLOAT, mlp FLOAT", "_qkv_w8a8"},
      {{W8A16, W8A16, W8A16, W8A16}, "W8A16", "_w8a16"},
      {{W8A8, W8A8, W8A8, W8A8Dynamic},
       "attention W8A8, gate_up W8A8, down_proj W8A8_DYNAMIC",
       "_attention_w8a8_gate_up_w8a8_down_proj_w8a8_dynamic"},
      {{.qkv = W8A16, .inputNorm = NormBias::Plain, .qkvBias = true},
       "qkv W8A16, o_proj FLOAT, mlp FLOAT, input_layernorm.bias, qkv.bias",
       "_qkv_w8a16_input_layernorm_bias_qkv_bias"},
      {{.postAttentionNorm = NormBias::Module, .outputBias = true, .downBias = true},
       "FLOAT, post_attention_layernorm.module.bias, o_proj.bias, down_proj.bias",
       "_post_attention_layernorm_module_bias_o_proj_bias_down_proj_bias"},
  };
  for (const auto &[quant, text, suffix] : cases) {
    EXPECT_EQ(toString(quant), text);
    EXPECT_EQ(nameSuffix(quant), suffix);
  }
}

TEST(Quantization, DifferentKindsOfLayersHaveDifferentNames) {
  std::set<std::string> names;
  for (bool sparse : {false, true})
    for (QuantScheme qkv : quantSchemes)
      for (QuantScheme output : quantSchemes)
        for (QuantScheme gateUp : quantSchemes)
          for (QuantScheme down : quantSchemes)
            names.insert(toString(LayerKind{sparse, {qkv, output, gateUp, down}}));
  EXPECT_EQ(names.size(), 2u * 256);
}

TEST(Quantization, RunsOfLayersKeepBiases) {
  QuantSpec quant;
  quant.norm = NormBias::Plain;
  quant.layers.resize(4, {W8A8, Float, W8A8Dynamic, W8A16});
  quant.layers[1].inputNorm = NormBias::Module;
  quant.layers[2].postAttentionNorm = NormBias::Plain;
  quant.layers[2].gateUpBias = quant.layers[2].downBias = true;
  quant.layers[3].qkvBias = quant.layers[3].outputBias = true;
  const std::vector<std::string> runs = layerRuns(quant);
  EXPECT_EQ(runs, (std::vector<std::string>{
                      "0-0 W8A8 FLOAT W8A8_DYNAMIC W8A16",
                      "1-1 W8A8 FLOAT W8A8_DYNAMIC W8A16 input_layernorm.module.bias",
                      "2-2 W8A8 FLOAT W8A8_DYNAMIC W8A16 post_attention_layernorm.bias "
                      "gate_up.bias down_proj.bias",
                      "3-3 W8A8 FLOAT W8A8_DYNAMIC W8A16 qkv.bias o_proj.bias", "norm.bias"}));
  const QuantSpec again = parseLayerRuns(runs, 4, {});
  EXPECT_EQ(again.layers, quant.layers);
  EXPECT_EQ(again.norm, quant.norm);
  for (const char *text : {"0-3 W8A8 W8A8 W8A8 W8A8 q_norm.bias",
                           "0-3 W8A8 W8A8 W8A8 W8A8 qkv.bias qkv.bias", "norm.bias"})
    EXPECT_THROW(parseLayerRuns({text}, 4, {}), Error) << text;
}

TEST(Quantization, NormsHaveTheBiasesThatHaveEntries) {
  const LayerQuant quant = {W8A8Dynamic, Float, W8A8, Float};
  DescriptionText text = DescriptionText().floats().layer("*", quant);
  text.add("model.norm.bias", Float);
  for (const char *norm : {"input_layernorm.module", "post_attention_layernorm.module"})
    for (const char *part : {".weight", ".bias"})
      text.add(std::string("model.layers.1.") + norm + part, W8A8);
  for (const char *name : {"q_proj", "k_proj", "v_proj"})
    text.add(std::string("model.layers.1.self_attn.") + name + ".bias", Float);
  text.add("model.layers.0.input_layernorm.bias", Float);
  text.add("model.layers.*.mlp.gate_proj.bias", W8A8); // in quant_bias
  ModelSpec spec = parse(test::qwen3Config(), text);
  ASSERT_TRUE(spec.quant && spec.quant->layers.size() == 2);
  EXPECT_EQ(spec.quant->norm, NormBias::Plain);
  LayerQuant first = quant, second = quant;
  first.inputNorm = NormBias::Plain;
  second.inputNorm = second.postAttentionNorm = NormBias::Module;
  second.qkvBias = true;
  EXPECT_EQ(spec.quant->layers, (std::vector{first, second}));
  std::set<std::string> names;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    names.insert(tensor.name);
  for (const char *name :
       {"model.norm.bias", "model.layers.0.input_layernorm.bias",
        "model.layers.0.input_layernorm.weight", "model.layers.1.input_layernorm.module.weight",
        "model.layers.1.post_attention_layernorm.module.bias",
        "model.layers.1.self_attn.q_proj.bias"})
    EXPECT_TRUE(names.contains(name)) << name;
  for (const char *name :
       {"model.layers.1.input_layernorm.weight", "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.mlp.gate_proj.bias"})
    EXPECT_FALSE(names.contains(name)) << name;
}

TEST(Quantization, LayersHaveTheSchemesOfTheirEntries) {
  const LayerQuant mixed = {W8A8, W8A8Dynamic, Float, W8A8};
  ModelSpec spec = parse(test::qwen3Config().set("num_hidden_layers", "3"),
                         DescriptionText().floats().layer("*", {}).layer("1", mixed));
  ASSERT_TRUE(spec.quant);
  EXPECT_EQ(spec.quant->layers, (std::vector{LayerQuant(), mixed, LayerQuant()}));
  EXPECT_EQ(spec.layerKind(1), (LayerKind{false, mixed}));
  EXPECT_EQ(spec.layerKinds(),
            (std::map<LayerKind, int64_t>{{{false, {}}, 2}, {{false, mixed}, 1}}));
  // mlp.gate: the model has no experts.
  ASSERT_EQ(spec.warnings.size(), 1u);
  EXPECT_EQ(spec.warnings[0].message,
            "\"model.layers.*.mlp.gate.weight\" names no tensor of the model and is ignored");
  EXPECT_EQ(spec.warnings[0].position.file, "model/quant_model_description.json");
}

TEST(Quantization, DenseAndSparseLayersTogether) {
  const LayerQuant sparse = {W8A8, W8A8, W8A8Dynamic, W8A8Dynamic};
  ModelSpec spec =
      parse(test::qwen3MoeConfig().set("mlp_only_layers", "[0]"),
            DescriptionText().floats().layer("0", {}).layer("*", sparse, "mlp.experts.*"));
  EXPECT_EQ(spec.layerKinds(),
            (std::map<LayerKind, int64_t>{{{false, {}}, 1}, {{true, sparse}, 1}}));
  EXPECT_TRUE(spec.warnings.empty());
}

TEST(Quantization, TheHeadMayBeDynamic) {
  auto text = [](QuantScheme scheme) {
    return DescriptionText()
        .add("model.embed_tokens.weight", Float)
        .add("model.norm.weight", Float)
        .linear("lm_head", scheme)
        .add("model.layers.*.input_layernorm.weight", Float)
        .add("model.layers.*.post_attention_layernorm.weight", Float)
        .layer("*", {});
  };
  const ModelSpec spec = parse(test::qwen2Config(), text(W8A8Dynamic));
  EXPECT_EQ(spec.quant->head, W8A8Dynamic);
  std::vector<std::string> symbols;
  for (const WeightSpec &weight : modelWeights(spec))
    symbols.push_back(weight.symbol);
  EXPECT_EQ(symbols, (std::vector<std::string>{"embed_tokens", "norm", "lm_head",
                                               "lm_head.weight_scale", "lm_head.weight_offset"}));
  const std::vector<std::string> runs = layerRuns(*spec.quant);
  EXPECT_EQ(runs.back(), "lm_head W8A8_DYNAMIC");
  EXPECT_EQ(parseLayerRuns(runs, spec.numHiddenLayers, {}).head, W8A8Dynamic);
  EXPECT_THROW(parseLayerRuns({"lm_head W8A8_DYNAMIC"}, spec.numHiddenLayers, {}), Error);
  EXPECT_EQ(parse(test::qwen2Config(), text(Float)).quant->head, Float);
  EXPECT_THROW(parse(test::qwen2Config(), text(W8A16)), Error);
}

TEST(Quantization, BiasesMayHaveEntries) {
  const LayerQuant all = {W8A8, W8A8, W8A8Dynamic, W8A8Dynamic};
  auto text = [&] {
    return DescriptionText()
        .add("model.embed_tokens.weight", Float)
        .add("model.norm.weight", Float)
        .add("lm_head.weight", Float)
        .add("model.layers.*.input_layernorm.weight", Float)
        .add("model.layers.*.post_attention_layernorm.weight", Float)
        .layer("*", all);
  };
  for (QuantScheme scheme : {Float, W8A8}) {
    auto entry = text().add("model.layers.*.self_attn.q_proj.bias", scheme);
    EXPECT_TRUE(parse(test::qwen2Config(), entry).warnings.empty());
  }
  EXPECT_TRUE(parse(test::qwen2Config(), text()).warnings.empty());
}

TEST(Quantization, WithoutADescriptionNothingIsQuantised) {
  ModelSpec spec = parseHuggingFaceConfig(test::qwen3Config().text(), std::nullopt, "config.json");
  EXPECT_FALSE(spec.quant);
  EXPECT_EQ(spec.layerKind(0), LayerKind());
}

TEST(Quantization, ListsTheTensorsOfQuantisedLinears) {
  ModelSpec spec = parse(test::llamaConfig().set("num_hidden_layers", "1").set("mlp_bias", "true"),
                         DescriptionText().floats().layer("*", {W8A8, Float, W8A8Dynamic, W8A16}));
  std::vector<std::string> lines;
  for (const ExpectedTensor &tensor : expectedTensors(spec))
    for (const char *linear :
         {"self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"})
      if (size_t at = tensor.name.find(linear); at != std::string::npos)
        lines.push_back(fmt::format("{} [{}]{}{}{}", tensor.name.substr(at),
                                    fmt::join(tensor.shape, ", "), tensor.dtype ? " " : "",
                                    tensor.dtype ? toString(*tensor.dtype) : "",
                                    tensor.unread ? ", unread" : ""));
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "self_attn.q_proj.weight [64, 64] int8",
                       "self_attn.q_proj.input_scale [1] float32",
                       "self_attn.q_proj.input_offset [1] float32",
                       "self_attn.q_proj.quant_bias [64] int32",
                       "self_attn.q_proj.deq_scale [64] float32",
                       "self_attn.o_proj.weight [64, 64]",
                       "mlp.up_proj.weight [96, 64] int8",
                       "mlp.up_proj.weight_scale [96, 1] float32",
                       "mlp.up_proj.weight_offset [96, 1] float32, unread",
                       "mlp.up_proj.bias [96]",
                       "mlp.down_proj.weight [64, 96] int8",
                       "mlp.down_proj.weight_scale [64, 1] float32",
                       "mlp.down_proj.weight_offset [64, 1] float32, unread",
                       "mlp.down_proj.bias [64]",
                   }));
}

TEST(Quantization, CountsBytesAndNoAdditionalParameters) {
  const test::ConfigText config = test::qwen3Config();
  const CheckpointSize plain =
      checkpointSize(parseHuggingFaceConfig(config.text(), std::nullopt, "config.json"));
  const CheckpointSize quantised = checkpointSize(
      parse(config, DescriptionText().floats().layer("*", {Float, Float, Float, W8A8Dynamic})));
  EXPECT_EQ(plain.bytes, plain.parameters * 4); // float32, as nothing says otherwise
  EXPECT_EQ(quantised.parameters, plain.parameters);
  EXPECT_EQ(quantised.activeParameters, plain.activeParameters);
  EXPECT_EQ(quantised.tensors, plain.tensors + 2 * 2);
  EXPECT_EQ(quantised.bytes, plain.bytes - 2 * 64 * 96 * 3 + 2 * 64 * 4);
}

} // namespace
} // namespace vinci
