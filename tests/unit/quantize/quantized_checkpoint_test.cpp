#include "runtime/quantize/quantized_checkpoint.h"

#include "runtime/support/half.h"
#include "runtime/support/json.h"
#include "tests/unit/quantize/test_model.h"

#include <bit>

namespace vinci {
namespace {

class QuantizedCheckpoints : public ModelTest {
protected:
  StaticScales scalesFor(const ReferenceConfig &config) const {
    StaticScales scales;
    for (uint64_t layer = 0; layer < config.numHiddenLayers; ++layer)
      for (LinearGroup group : linearGroups)
        scales[{layer, group}] = {0.0123f, -5};
    return scales;
  }

  template <typename T> std::vector<T> values(QuantizedCheckpoint &checkpoint, std::string name) {
    for (const TensorHeader &tensor : checkpoint.tensors())
      if (tensor.name == name) {
        const std::vector<std::byte> bytes = checkpoint.produce(tensor);
        std::vector<T> result(bytes.size() / sizeof(T));
        std::memcpy(result.data(), bytes.data(), bytes.size());
        return result;
      }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
};

const std::string q = "model.layers.1.self_attn.q_proj.";

TEST_F(QuantizedCheckpoints, StaticLinearsOfABiasedModel) {
  const FloatModel source = model("qwen2-prime");
  QuantizedCheckpoint checkpoint(source, schemesFor(source.config(), LinearScheme::W8A8, ""),
                                 DType::Float16, scalesFor(source.config()));
  std::map<std::string, TensorHeader> headers;
  for (const TensorHeader &tensor : checkpoint.tensors())
    headers[tensor.name] = tensor;
  EXPECT_EQ(headers.at(q + "weight").dtypeName, "I8");
  EXPECT_EQ(headers.at(q + "input_offset").dtypeName, "I8");
  EXPECT_EQ(headers.at(q + "input_scale").dtypeName, "F16");
  EXPECT_EQ(headers.at(q + "quant_bias").dtypeName, "I32");
  EXPECT_EQ(headers.at(q + "deq_scale").dtypeName, "I64");
  EXPECT_EQ(headers.at(q + "bias").dtypeName, "F16");
  const uint64_t rows = headers.at(q + "weight").shape[0];
  EXPECT_EQ(headers.at(q + "weight_scale").shape, (std::vector<uint64_t>{rows, 1}));

  const float inputScale = floatOfFloat16(values<uint16_t>(checkpoint, q + "input_scale")[0]);
  EXPECT_NEAR(inputScale, 0.0123, 1e-5);
  const auto scales = values<float>(checkpoint, q + "weight_scale");
  const auto packed = values<int64_t>(checkpoint, q + "deq_scale");
  const auto quantBias = values<int32_t>(checkpoint, q + "quant_bias");
  const auto weight = values<int8_t>(checkpoint, q + "weight");
  const Matrix bias = source.tensor(q + "bias");
  for (uint64_t n = 0; n < rows; ++n) {
    const float deqScale = std::bit_cast<float>(uint32_t(packed[n]));
    EXPECT_EQ(packed[n] >> 32, 0);
    EXPECT_EQ(deqScale, inputScale * scales[n]); // of the scale as it is stored
    int sum = 0;
    for (uint64_t k = 0; k < weight.size() / rows; ++k)
      sum += weight[n * (weight.size() / rows) + k];
    EXPECT_NEAR(quantBias[n] - 5 * sum, bias.at(n, 0) / deqScale, 0.51);
  }
}

TEST_F(QuantizedCheckpoints, EveryTensorHasAnEntry) {
  const FloatModel source = model("qwen3moe-5");
  QuantizedCheckpoint checkpoint(source,
                                 schemesFor(source.config(), LinearScheme::W8A8, "layers.1"),
                                 DType::Float32, scalesFor(source.config()));
  const JsonDocument json = JsonDocument::parse(checkpoint.description(), "d.json");
  const auto tagOf = [&](std::string_view name) {
    return std::string(json.root().find(name)->toText(name));
  };
  for (const TensorHeader &tensor : checkpoint.tensors())
    EXPECT_TRUE(json.root().find(tensor.name)) << tensor.name;
  EXPECT_EQ(tagOf("model_quant_type"), "W8A8_DYNAMIC");
  EXPECT_EQ(tagOf("model.layers.0.self_attn.q_proj.quant_bias"), "W8A8");
  EXPECT_EQ(tagOf("model.layers.0.mlp.experts.2.down_proj.weight_offset"), "W8A8_DYNAMIC");
  EXPECT_EQ(tagOf("model.layers.1.self_attn.q_proj.weight"), "FLOAT");
  EXPECT_EQ(tagOf("model.layers.0.mlp.gate.weight"), "FLOAT");
}

TEST_F(QuantizedCheckpoints, TheHead) {
  FloatChanges changes;
  changes.untieHead = true;
  const FloatModel source = model("qwen2-prime", changes);
  EXPECT_TRUE(source.headWasUntied());
  EXPECT_EQ(source.tensor("lm_head.weight"), source.tensor("model.embed_tokens.weight"));
  const auto schemes = schemesFor(source.config(), LinearScheme::Float, "");
  QuantizedCheckpoint checkpoint(source, schemes, DType::BFloat16, {}, LinearScheme::W8A8Dynamic);
  EXPECT_EQ(checkpoint.quantizedLinears(), 1u);
  const QuantizedWeight expected = quantizeWeight(source.tensor("lm_head.weight"));
  EXPECT_EQ(values<int8_t>(checkpoint, "lm_head.weight"), expected.values);
  EXPECT_EQ(values<float>(checkpoint, "lm_head.weight_scale"), expected.scales);
  EXPECT_EQ(values<float>(checkpoint, "lm_head.weight_offset"),
            std::vector<float>(expected.rows, 0));
  const JsonDocument json = JsonDocument::parse(checkpoint.description(), "d.json");
  for (const char *name : {"model_quant_type", "lm_head.weight", "lm_head.weight_scale"})
    EXPECT_EQ(json.root().find(name)->toText(name), "W8A8_DYNAMIC") << name;
  EXPECT_EQ(json.root().find("model.embed_tokens.weight")->toText("x"), "FLOAT");
}

TEST_F(QuantizedCheckpoints, TheSameBytesInShardsOfAnySizeAndWhenItGoesOn) {
  const FloatModel source = model("qwen3-tiny", quarot(configOf("qwen3-tiny"), 0));
  QuantizedCheckpoint checkpoint(source, schemesFor(source.config(), LinearScheme::W8A8Dynamic, ""),
                                 DType::BFloat16, {});
  const auto contents = [&] {
    std::map<std::string, std::string> contents;
    const Checkpoint written = Checkpoint::open(folder);
    for (const auto &[name, tensor] : written.tensors())
      contents[std::string(name)] = {reinterpret_cast<const char *>(tensor->bytes.data()),
                                     tensor->bytes.size()};
    return contents;
  };
  writeCheckpoint(folder, checkpoint, "w", uint64_t(1) << 30);
  const auto whole = contents();
  EXPECT_EQ(whole.size(), checkpoint.tensors().size());
  std::filesystem::remove(folder / "w.safetensors");

  const CheckpointFiles first = writeCheckpoint(folder, checkpoint, "w", 64);
  EXPECT_GT(first.shards, 2u);
  EXPECT_EQ(first.kept, 0u);
  EXPECT_EQ(contents(), whole);
  std::filesystem::remove(folder / fmt::format("w-00002-of-{:05}.safetensors", first.shards));
  EXPECT_EQ(writeCheckpoint(folder, checkpoint, "w", 64).kept, first.shards - 1);
  EXPECT_EQ(contents(), whole);
}

TEST_F(QuantizedCheckpoints, ValuesThatDoNotFit) {
  const FloatModel large =
      model("qwen3-tiny", {true, [](std::span<double> row) { row[0] = 1e6; }, {}, {}});
  QuantizedCheckpoint checkpoint(large, schemesFor(large.config(), LinearScheme::Float, ""),
                                 DType::Float16, {});
  EXPECT_CONTAINS(messageOf([&] { checkpoint.produce(checkpoint.tensors()[0]); }),
                  "values are beyond the range of float16; --dtype");
  const FloatModel broken =
      model("qwen3-tiny", {true, [](std::span<double> row) { row[0] = NAN; }, {}, {}});
  QuantizedCheckpoint quantized(broken, schemesFor(broken.config(), LinearScheme::W8A8Dynamic, ""),
                                DType::Float32, {});
  EXPECT_CONTAINS(
      messageOf([&] { values<int8_t>(quantized, "model.layers.0.self_attn.q_proj.weight"); }),
      "holds values that are no numbers");
}

} // namespace
} // namespace vinci
