// What a forward pass yields beside its logits, and checkpoints that do not fit. The numbers are
// those of goldens_test.cpp.
#include "frontend/huggingface/config.h"
#include "runtime/reference/reference_model.h"
#include "runtime/support/half.h"
#include "tests/unit/weights/temporary_folder.h"
#include "tools/compiler/reference_config.h"

#include <set>

using namespace std::string_literals;

namespace vinci {
namespace {

namespace fs = std::filesystem;

ReferenceConfig configOf(const std::string &name) {
  return toReferenceConfig(
      readHuggingFaceConfig(fs::path(VINCI_SOURCE_DIR) / "tests/golden/data" / name));
}

ReferenceModel modelOf(const std::string &name) {
  return {configOf(name),
          Checkpoint::open(fs::path(VINCI_SOURCE_DIR) / "tests/golden/data" / name)};
}

const std::vector<int32_t> ids = {3, 1, 4, 1, 5};

TEST(ReferenceModel, NamesWhatItComputes) {
  const ReferencePass pass = modelOf("qwen3moe-13").forward(ids);
  std::vector<std::string> names;
  std::set<std::pair<std::string, int32_t>> keys;
  for (const ReferenceTensor &tensor : pass.tensors) {
    EXPECT_EQ(tensor.values.rows, ids.size()) << tensor.name;
    EXPECT_TRUE(keys.emplace(tensor.name, tensor.layer).second) << tensor.name;
    if (tensor.layer < 2)
      names.push_back(fmt::format("{}:{}", tensor.layer, tensor.name));
  }
  EXPECT_EQ(fmt::format("{}", fmt::join(names, " ")),
            "-1:embed_tokens "
            "0:input_layernorm 0:q_proj 0:q_norm 0:q_norm.rope 0:k_proj 0:k_norm 0:k_norm.rope "
            "0:v_proj 0:attention 0:o_proj 0:o_proj.sum 0:post_attention_layernorm 0:gate_proj "
            "0:gate_proj.silu 0:up_proj 0:gate_proj.swiglu 0:down_proj 0:down_proj.sum "
            "1:input_layernorm 1:q_proj 1:q_norm 1:q_norm.rope 1:k_proj 1:k_norm 1:k_norm.rope "
            "1:v_proj 1:attention 1:o_proj 1:o_proj.sum 1:post_attention_layernorm 1:router "
            "1:router.moe_route 1:router.moe_route.1 1:down_proj.moe_combine "
            "1:down_proj.moe_combine.sum -1:norm");
  EXPECT_EQ(pass.find("q_proj.rope", 0), nullptr);
  EXPECT_NE(modelOf("qwen2-prime").forward(ids).find("q_proj.rope", 0), nullptr);
}

TEST(ReferenceModel, ResidualsAreSums) {
  const ReferencePass pass = modelOf("qwen3moe-5").forward(ids);
  const Matrix &embedded = *pass.find("embed_tokens", -1);
  EXPECT_EQ(*pass.find("o_proj.sum", 0), ops::add(embedded, *pass.find("o_proj", 0)));
  EXPECT_EQ(*pass.find("down_proj.moe_combine.sum", 0),
            ops::add(*pass.find("o_proj.sum", 0), *pass.find("down_proj.moe_combine", 0)));
}

TEST(ReferenceModel, LaterTokensDoNotChangeEarlierOnes) {
  const ReferenceModel model = modelOf("qwen3moe-norm");
  const ReferencePass whole = model.forward(ids), start = model.forward(std::span(ids).first(3));
  for (uint64_t i = 0; i < start.logits.values.size(); ++i)
    ASSERT_EQ(start.logits.values[i], whole.logits.values[i]);
}

TEST(ReferenceModel, FindsTheClosestCallOfTheRouters) {
  const ReferencePass pass = modelOf("qwen3moe-5").forward(ids);
  ASSERT_TRUE(pass.routerMargin.has_value());
  EXPECT_TRUE(pass.routerMargin->layer == 0 || pass.routerMargin->layer == 2); // 1 has no experts
  double smallest = 1;
  for (int32_t layer : {0, 2})
    for (const double margin : ops::route(*pass.find("router", layer), 2, false).margins)
      smallest = std::min(smallest, margin);
  EXPECT_EQ(pass.routerMargin->probability, smallest);
  const ops::Routing there =
      ops::route(*pass.find("router", int32_t(pass.routerMargin->layer)), 2, false);
  EXPECT_EQ(there.margins[pass.routerMargin->token], smallest);
  EXPECT_FALSE(modelOf("qwen3moe-one").forward(ids).routerMargin.has_value());
  EXPECT_FALSE(modelOf("qwen3-tiny").forward(ids).routerMargin.has_value());
}

class ReferenceWeightsTest : public TemporaryFolder {
protected:
  /// One layer with hidden 2, one head of 2, intermediate 1, 3 tokens; all dynamic but for static
  /// q, k and v.
  ReferenceConfig config() const {
    ReferenceConfig config;
    config.vocabSize = 3;
    config.hiddenSize = config.headDim = 2;
    config.intermediateSize = config.numHiddenLayers = 1;
    config.numAttentionHeads = config.numKeyValueHeads = 1;
    config.rmsNormEps = 1e-6;
    config.ropeTheta = 1e4;
    config.tieWordEmbeddings = true;
    config.schemes = {{ReferenceScheme::W8A8, ReferenceScheme::W8A8Dynamic, ReferenceScheme::Float,
                       ReferenceScheme::Float}};
    return config;
  }

  std::vector<TestTensor> tensors() const {
    const std::vector<float> ones = {1, 1}, table = {1, 2, 3, 4, 5, 6};
    const std::string half = "\x00\x3c"s, layer = "model.layers.0.";
    std::vector<TestTensor> list = {
        {"model.embed_tokens.weight", "F32", {3, 2}, bytesOf(table)},
        {"model.norm.weight", "F32", {2}, bytesOf(ones)},
        {layer + "input_layernorm.weight", "F32", {2}, bytesOf(ones)},
        {layer + "post_attention_layernorm.weight", "F16", {2}, half + half},
        {layer + "self_attn.o_proj.weight", "I8", {2, 2}, "\x01\xff\x02\x80"s},
        {layer + "self_attn.o_proj.weight_scale", "F32", {2, 1}, bytesOf(ones)},
        {layer + "mlp.gate_proj.weight", "BF16", {1, 2}, "\x80\x3f\x00\xc0"s},
        {layer + "mlp.up_proj.weight", "F32", {1, 2}, bytesOf(ones)},
        {layer + "mlp.down_proj.weight", "F32", {2, 1}, bytesOf(ones)},
    };
    for (const char *name : {"q", "k", "v"}) {
      const std::string linear = fmt::format("{}self_attn.{}_proj.", layer, name);
      list.push_back({linear + "weight", "I8", {2, 2}, "\x01\x02\x03\x04"s});
      list.push_back({linear + "input_scale", "F32", {1}, bytesOf(std::vector<float>{0.5f})});
      list.push_back({linear + "input_offset", "I8", {1}, "\xfd"s});
      list.push_back({linear + "quant_bias", "I32", {2}, "\x01\x00\x00\x01\xff\xff\xff\xff"s});
      // Each a float32 in the lower half of an int64.
      list.push_back({linear + "deq_scale", "I64", {2}, "\0\0\x80\x3f\0\0\0\0\0\0\0\x40\0\0\0\0"s});
    }
    return list;
  }
};

TEST_F(ReferenceWeightsTest, ReadsEveryTypeThatACheckpointMayHave) {
  write("model.safetensors", safetensors(tensors()));
  const ReferenceWeights weights(config(), Checkpoint::open(folder));
  const std::string layer = "model.layers.0.", q = layer + "self_attn.q_proj.";
  EXPECT_EQ(weights.floats("model.embed_tokens.weight"), Matrix(3, 2, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(weights.floats(layer + "post_attention_layernorm.weight"), Matrix(2, 1, {1, 1}));
  EXPECT_EQ(weights.floats(layer + "mlp.gate_proj.weight"), Matrix(1, 2, {1, -2}));
  EXPECT_EQ(weights.integers(layer + "self_attn.o_proj.weight"), IntMatrix(2, 2, {1, -1, 2, -128}));
  EXPECT_EQ(weights.floats(q + "input_offset"), Matrix(1, 1, {-3}));
  EXPECT_EQ(weights.integers(q + "quant_bias"), IntMatrix(2, 1, {(1 << 24) + 1, -1}));
  EXPECT_EQ(weights.floats(q + "deq_scale"), Matrix(2, 1, {1, 2}));
}

TEST_F(ReferenceWeightsTest, ACheckpointThatDoesNotFitIsRefused) {
  std::vector<TestTensor> list = tensors();
  list[1].name = "model.norm.gain";
  list[2].shape = {1, 2};
  write("model.safetensors", safetensors(list));
  const std::string message =
      messageOf([&] { ReferenceModel(config(), Checkpoint::open(folder)); });
  EXPECT_CONTAINS(message, folder.string() + ": error: the checkpoint does not fit the model");
  EXPECT_CONTAINS(message, "missing (1): \"model.norm.weight\"");
  EXPECT_CONTAINS(message, "surplus (1): \"model.norm.gain\"");
  EXPECT_CONTAINS(message, "\"model.layers.0.input_layernorm.weight\" is [1, 2], expected [2]");
}

TEST_F(ReferenceWeightsTest, QuantisedLinearsTakeTheirSchemes) {
  write("model.safetensors", safetensors(tensors()));
  const std::vector<int32_t> token = {1};
  const ReferencePass pass = ReferenceModel(config(), Checkpoint::open(folder)).forward(token);
  // The norm of (3, 4) is (3, 4) / sqrt(12.5); with scale 0.5 and offset -3 that is (-1, -1).
  const float large = float((1 << 24) + 1 - 3);
  EXPECT_EQ(*pass.find("q_proj", 0), Matrix(1, 2, {large, -16}));
  // The only token attends to itself: v. As int8 with its own scale, the second is 0.
  EXPECT_EQ(*pass.find("attention", 0), Matrix(1, 2, {large, -16}));
  const float scale = large / 127;
  EXPECT_EQ(*pass.find("o_proj", 0), Matrix(1, 2, {127 * scale, 254 * scale}));
}

} // namespace
} // namespace vinci
