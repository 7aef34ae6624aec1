#include "runtime/weights/check_weights.h"

#include "tests/unit/weights/temporary_folder.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using Shape = std::vector<uint64_t>;

TestTensor tensor(const std::string &name, const Shape &shape, const std::string &dtype = "F32") {
  uint64_t bytes = dtype == "F32" ? 4 : 2;
  for (uint64_t size : shape)
    bytes *= size;
  return {name, dtype, shape, std::string(bytes, '\0')};
}

TestTensor tensor(const std::string &name, uint64_t size, const std::string &dtype = "F32") {
  return tensor(name, Shape{size}, dtype);
}

class CheckWeights : public TemporaryFolder {
protected:
  /// The message of checkWeights for a model.safetensors of `tensors`, "" if they fit.
  std::string errorOf(const std::vector<RequiredTensor> &required, uint64_t keyValueHeads = 2) {
    return messageOf([&] { checkWeights(required, keyValueHeads, Checkpoint::open(folder)); });
  }
  std::string errorOf(const std::vector<RequiredTensor> &required,
                      const std::vector<TestTensor> &tensors) {
    write("model.safetensors", safetensors(tensors));
    return errorOf(required);
  }
  /// What comes before the differences.
  std::string start() const {
    return folder.string() + ": error: the checkpoint does not fit the model";
  }
};

TEST_F(CheckWeights, FittingWeights) {
  write("model.safetensors",
        safetensors(std::vector{tensor("a", 1), tensor("b", 2, "BF16"), tensor("lm_head.weight", 2),
                                tensor("model.layers.0.self_attn.rotary_emb.inv_freq", 3)}));
  const std::vector<RequiredTensor> required = {{"a", {1}}, {"b", {2}}};
  EXPECT_EQ(errorOf(required), "");
}

TEST_F(CheckWeights, NormsOfTheFloatModelBesideThoseOfTheQuantised) {
  const std::string norm = "model.layers.0.input_layernorm.";
  write("model.safetensors",
        safetensors(std::vector{tensor(norm + "weight", 2), tensor(norm + "module.weight", 2),
                                tensor(norm + "module.bias", 2)}));
  EXPECT_EQ(errorOf({{norm + "module.weight", {2}}, {norm + "module.bias", {2}}}), "");
  EXPECT_EQ(errorOf({{norm + "weight", {2}}}), "");
  EXPECT_EQ(errorOf({{"model.layers.0.x.weight", {2}}}),
            start() +
                "\n  missing (1): \"model.layers.0.x.weight\""
                "\n  surplus (3): \"" +
                norm + "module.bias\", \"" + norm + "module.weight\", \"" + norm + "weight\"");
}

TEST_F(CheckWeights, EveryDifferenceIsNamedAtOnce) {
  std::vector<TestTensor> tensors = {tensor("a", 1), tensor("b", 2), tensor("i", 3, "I16")};
  for (int i = 0; i < 12; ++i)
    tensors.push_back(tensor("surplus." + std::to_string(10 + i), 1));
  write("model.safetensors", safetensors(tensors));
  const std::vector<RequiredTensor> required = {
      {"a", {1}}, {"b", {1, 2}}, {"c", {1}}, {"d", {1}}, {"i", {3}}};
  std::string message = errorOf(required);
  EXPECT_EQ(message,
            folder.string() +
                ": error: the checkpoint does not fit the model"
                "\n  missing (2): \"c\", \"d\""
                "\n  surplus (12): \"surplus.10\", \"surplus.11\", \"surplus.12\", \"surplus.13\", "
                "\"surplus.14\", \"surplus.15\", \"surplus.16\", \"surplus.17\", \"surplus.18\", "
                "\"surplus.19\" and 2 more"
                "\n  of another shape (1): \"b\" is [2], expected [1, 2]"
                "\n  of another dtype (1): \"i\" is I16, expected F32 or F16 or BF16");
}

/// One layer with biases, two KV heads of 3 rows, three query heads for each, hidden size 5, two
/// experts.
const std::string layer = "model.layers.0.";
const std::vector<RequiredTensor> attention = {
    {layer + "self_attn.q_proj.weight", {18, 5}}, {layer + "self_attn.k_proj.weight", {6, 5}},
    {layer + "self_attn.v_proj.weight", {6, 5}},  {layer + "self_attn.q_proj.bias", {18}},
    {layer + "self_attn.k_proj.bias", {6}},       {layer + "self_attn.v_proj.bias", {6}},
};
const std::vector<RequiredTensor> mlp = {{layer + "mlp.gate_proj.weight", {7, 5}},
                                         {layer + "mlp.up_proj.weight", {7, 5}}};
const std::vector<RequiredTensor> experts = {
    {layer + "mlp.gate.weight", {2, 5}},
    {layer + "mlp.experts.0.gate_proj.weight", {4, 5}},
    {layer + "mlp.experts.1.gate_proj.weight", {4, 5}},
    {layer + "mlp.experts.0.up_proj.weight", {4, 5}},
    {layer + "mlp.experts.1.up_proj.weight", {4, 5}},
    {layer + "mlp.experts.0.down_proj.weight", {5, 4}},
    {layer + "mlp.experts.1.down_proj.weight", {5, 4}},
};

TEST_F(CheckWeights, SourcesOfSeparateTensors) {
  write("model.safetensors",
        safetensors(std::vector{tensor(layer + "feed_forward.w3.weight", {7, 5}, "BF16"),
                                tensor(layer + "feed_forward.w1.weight", {7, 5})}));
  Checkpoint checkpoint = Checkpoint::open(folder);
  WeightSources sources = checkWeights(mlp, 2, checkpoint);
  EXPECT_EQ(sources.size(), 2u);
  const WeightSource &up = sources.at(layer + "mlp.up_proj.weight");
  EXPECT_EQ(up.tensor, checkpoint.find(layer + "feed_forward.w3.weight"));
  EXPECT_EQ(up.slice.data, up.tensor->bytes.data());
  EXPECT_EQ(up.slice.dtype, DType::BFloat16);
  EXPECT_TRUE(up.slice.isContiguous());
}

TEST_F(CheckWeights, SourcesOfJoinedTensors) {
  write("model.safetensors",
        safetensors(std::vector{tensor(layer + "attention.w_qkv.weight", {30, 5}),
                                tensor(layer + "attention.w_qkv.bias", 30, "F16")}));
  Checkpoint checkpoint = Checkpoint::open(folder);
  WeightSources sources = checkWeights(attention, 2, checkpoint);
  EXPECT_EQ(sources.size(), 6u);
  const WeightSource &value = sources.at(layer + "self_attn.v_proj.weight");
  EXPECT_EQ(value.tensor->name, layer + "attention.w_qkv.weight");
  EXPECT_EQ(value.slice.data, value.tensor->bytes.data() + 12 * 5 * 4);
  EXPECT_EQ(value.slice.run, 3u);
  EXPECT_EQ(value.slice.period, 15u);
  EXPECT_EQ(sources.at(layer + "self_attn.k_proj.bias").slice.data,
            checkpoint.find(layer + "attention.w_qkv.bias")->bytes.data() + 9 * 2);
}

TEST_F(CheckWeights, SourcesOfStacks) {
  const std::string file = "decoder.layers.0.mlp.";
  write("model.safetensors",
        safetensors(std::vector{tensor(file + "experts.weight1", {2, 5, 8}),
                                tensor(file + "experts.weight2", {2, 4, 5}),
                                tensor(file + "router.weight.weight", {2, 5})}));
  Checkpoint checkpoint = Checkpoint::open(folder);
  WeightSources sources = checkWeights(experts, 2, checkpoint);
  EXPECT_EQ(sources.size(), 7u);
  const WeightSource &up = sources.at(layer + "mlp.experts.1.up_proj.weight");
  EXPECT_EQ(up.tensor->name, file + "experts.weight1");
  EXPECT_EQ(up.slice.data, up.tensor->bytes.data() + (40 + 4) * 4);
  EXPECT_EQ(up.slice.columnStride, 8u);
}

/// Each of the two may be joined without the other, and layers need not be alike.
TEST_F(CheckWeights, AnyJoinedTensorMayStandForItsParts) {
  std::vector<RequiredTensor> required = mlp;
  for (const char *name : {"gate", "up"})
    required.push_back({fmt::format("model.layers.1.mlp.{}_proj.weight", name), {7, 5}});
  EXPECT_EQ(errorOf(required, {tensor(layer + "feed_forward.w_gate_hidden.weight", {14, 5}),
                               tensor("model.layers.1.feed_forward.w1.weight", {7, 5}),
                               tensor("model.layers.1.feed_forward.w3.weight", {7, 5})}),
            "");
}

TEST_F(CheckWeights, WhatCarriesNoMeaningMayBeSurplus) {
  EXPECT_EQ(errorOf({{"model.norm.weight", {3}}}, {tensor("decoder.final_layernorm.weight", 3),
                                                   tensor("output_layer.weight", 9)}),
            "");
  EXPECT_EQ(errorOf({{"model.norm.weight", {3}}},
                    {tensor("model.norm_out.weight", 3), tensor("lm_head.weight", 9)}),
            "");
}

TEST_F(CheckWeights, OnlyAHead) {
  EXPECT_EQ(errorOf({{"lm_head.weight", {9}}}, {tensor("lm_head.weight", 9)}), "");
}

TEST_F(CheckWeights, MixedNamings) {
  std::vector<RequiredTensor> required = {{"model.norm.weight", {3}},
                                          {"model.embed_tokens.weight", {4}}};
  EXPECT_EQ(
      errorOf(required,
              {tensor("model.norm.weight", 3), tensor("model.tok_embeddings.embedding_weight", 4)}),
      folder.string() +
          ": error: the checkpoint mixes names of Hugging Face (\"model.norm.weight\") and of "
          "MindFormers (\"model.tok_embeddings.embedding_weight\"); all must be of one naming");
  EXPECT_CONTAINS(errorOf(required, {tensor("model.norm_out.weight", 3),
                                     tensor("embedding.word_embeddings.weight", 4)}),
                  "mixes names of MindFormers (\"model.norm_out.weight\") and of MindFormers mcore "
                  "(\"embedding.word_embeddings.weight\")");
}

TEST_F(CheckWeights, MissingTensorsAreNamedAsInTheFile) {
  std::vector<RequiredTensor> required = attention;
  required.resize(2);
  required.push_back({"model.experts.0.weight", {1}});
  EXPECT_EQ(
      errorOf(required, {tensor("model.norm_out.weight", 3)}),
      start() +
          "\n  missing (3): \"model.layers.0.attention.wq.weight\" or "
          "\"model.layers.0.attention.w_qkv.weight\" for "
          "\"model.layers.0.self_attn.q_proj.weight\", "
          "\"model.layers.0.attention.wk.weight\" or \"model.layers.0.attention.w_qkv.weight\" for "
          "\"model.layers.0.self_attn.k_proj.weight\", \"model.experts.0.weight\""
          "\n  surplus (1): \"model.norm_out.weight\"");
  // A tensor of the file once, however much it would have held.
  EXPECT_EQ(errorOf(experts, {tensor("decoder.layers.0.mlp.router.weight", {2, 5}),
                              tensor("decoder.layers.0.mlp.experts.weight2", {2, 4, 5})}),
            start() + "\n  missing (1): \"decoder.layers.0.mlp.experts.weight1\" for "
                      "\"model.layers.0.mlp.experts.0.gate_proj.weight\"");
}

TEST_F(CheckWeights, TensorsOfOtherLayersAreSurplus) {
  EXPECT_EQ(errorOf(mlp, {tensor(layer + "feed_forward.w_gate_hidden.weight", {14, 5}),
                          tensor("model.layers.1.feed_forward.w_gate_hidden.weight", {14, 5}),
                          tensor("model.layers.0.attention.rope", 1)}),
            start() + "\n  surplus (2): \"model.layers.0.attention.rope\", "
                      "\"model.layers.1.feed_forward.w_gate_hidden.weight\"");
}

TEST_F(CheckWeights, TensorsHeldTwice) {
  EXPECT_EQ(errorOf(mlp, {tensor(layer + "feed_forward.w_gate_hidden.weight", {14, 5}),
                          tensor(layer + "feed_forward.w1.weight", {7, 5})}),
            start() + "\n  held twice (1): \"model.layers.0.mlp.gate_proj.weight\" in "
                      "\"model.layers.0.feed_forward.w1.weight\" and "
                      "\"model.layers.0.feed_forward.w_gate_hidden.weight\"");
}

TEST_F(CheckWeights, TensorsThatDoNotDivide) {
  EXPECT_EQ(errorOf(attention, {tensor(layer + "attention.w_qkv.weight", {29, 5}),
                                tensor(layer + "attention.w_qkv.bias", 30)}),
            start() + "\n  of another shape (1): \"model.layers.0.attention.w_qkv.weight\" [29, 5] "
                      "does not divide into "
                      "\"model.layers.0.self_attn.q_proj.weight\" [18, 5] and "
                      "\"model.layers.0.self_attn.k_proj.weight\" "
                      "[6, 5] and \"model.layers.0.self_attn.v_proj.weight\" [6, 5] by 2 KV heads; "
                      "[30, 5] is expected");
  EXPECT_CONTAINS(errorOf(mlp, {tensor("decoder.layers.0.mlp.linear_fc1.weight", {7, 10})}),
                  "\"decoder.layers.0.mlp.linear_fc1.weight\" [7, 10] does not divide into "
                  "\"model.layers.0.mlp.gate_proj.weight\" [7, 5] and "
                  "\"model.layers.0.mlp.up_proj.weight\" [7, 5]; "
                  "[14, 5] is expected");
  EXPECT_CONTAINS(
      errorOf(experts, {tensor("decoder.layers.0.mlp.experts.weight1", {10, 8})}),
      "\"decoder.layers.0.mlp.experts.weight1\" [10, 8] does not divide into "
      "\"model.layers.0.mlp.experts.{}.gate_proj.weight\" [4, 5] and "
      "\"model.layers.0.mlp.experts.{}.up_proj.weight\" [4, 5], transposed, of 2 experts; "
      "[2, 5, 8] is expected");
}

TEST_F(CheckWeights, PartsThatNoTensorCanHold) {
  write("model.safetensors",
        safetensors(std::vector{tensor(layer + "attention.w_qkv.weight", {30, 5}),
                                tensor(layer + "attention.w_qkv.bias", 30)}));
  EXPECT_EQ(errorOf(attention, 2), "");
  std::string message = errorOf(attention, 4);
  EXPECT_CONTAINS(message, "\"model.layers.0.attention.w_qkv.bias\" [30] does not divide into");
  EXPECT_CONTAINS(message, "\"model.layers.0.self_attn.v_proj.weight\" [6, 5] by 4 KV heads");
  EXPECT_EQ(message.find("is expected"), std::string::npos);
}

TEST_F(CheckWeights, ShapesAndDtypesOfRenamedTensors) {
  EXPECT_EQ(errorOf({{"model.norm.weight", {3}}, {"model.embed_tokens.weight", {4, 2}}},
                    {tensor("model.norm_out.weight", 3, "I16"),
                     tensor("model.tok_embeddings.embedding_weight", {2, 4})}),
            start() + "\n  of another shape (1): \"model.tok_embeddings.embedding_weight\" for "
                      "\"model.embed_tokens.weight\" is [2, 4], expected [4, 2]"
                      "\n  of another dtype (1): \"model.norm_out.weight\" for "
                      "\"model.norm.weight\" is I16, expected F32 or F16 or BF16");
}

} // namespace
} // namespace vinci
