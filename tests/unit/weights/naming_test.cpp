#include "runtime/weights/naming.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace vinci {
namespace {

const Naming &huggingFace = namings()[0], &mindFormers = namings()[1], &core = namings()[2];

using Names = std::vector<std::string>;

void expectHolding(const Naming &naming, const std::string &tensor, const Names &parts,
                   Layout layout = Layout::Rows) {
  std::optional<Holding> holding = holdingOf(naming, tensor);
  ASSERT_TRUE(holding) << tensor;
  EXPECT_EQ(holding->parts, parts);
  EXPECT_EQ(holding->layout, layout) << tensor;
}

TEST(Naming, Titles) {
  EXPECT_EQ(namings().size(), 3u);
  EXPECT_EQ(huggingFace.title, "Hugging Face");
  EXPECT_EQ(mindFormers.title, "MindFormers");
  EXPECT_EQ(core.title, "MindFormers mcore");
}

TEST(Naming, HuggingFaceNamesStandForThemselves) {
  expectHolding(huggingFace, "whatever", {"whatever"});
  EXPECT_EQ(holdersOf(huggingFace, "whatever"), Names{"whatever"});
}

TEST(Naming, MindFormers) {
  expectHolding(mindFormers, "model.tok_embeddings.embedding_weight",
                {"model.embed_tokens.weight"});
  expectHolding(mindFormers, "model.norm_out.weight", {"model.norm.weight"});
  expectHolding(mindFormers, "lm_head.weight", {"lm_head.weight"});
  const std::string layer = "model.layers.12.";
  expectHolding(mindFormers, layer + "attention_norm.weight", {layer + "input_layernorm.weight"});
  expectHolding(mindFormers, layer + "attention.wk.bias", {layer + "self_attn.k_proj.bias"});
  expectHolding(mindFormers, layer + "attention.q_norm.weight",
                {layer + "self_attn.q_norm.weight"});
  expectHolding(mindFormers, layer + "feed_forward.w3.weight", {layer + "mlp.up_proj.weight"});
  for (std::string kind : {"weight", "bias"}) {
    expectHolding(mindFormers, layer + "attention.w_qkv." + kind,
                  {layer + "self_attn.q_proj." + kind, layer + "self_attn.k_proj." + kind,
                   layer + "self_attn.v_proj." + kind},
                  Layout::RowsPerKeyValueHead);
    expectHolding(mindFormers, layer + "feed_forward.w_gate_hidden." + kind,
                  {layer + "mlp.gate_proj." + kind, layer + "mlp.up_proj." + kind},
                  Layout::AlternatingRows);
  }
  expectHolding(
      mindFormers, layer + "feed_forward.routed_experts.ffn.w_gate_hidden.weight",
      {layer + "mlp.experts.{}.gate_proj.weight", layer + "mlp.experts.{}.up_proj.weight"},
      Layout::TransposedStack);
}

TEST(Naming, Core) {
  expectHolding(core, "output_layer.weight", {"lm_head.weight"});
  const std::string layer = "model.layers.0.";
  expectHolding(core, "decoder.layers.0.self_attention.linear_qkv.bias",
                {layer + "self_attn.q_proj.bias", layer + "self_attn.k_proj.bias",
                 layer + "self_attn.v_proj.bias"});
  expectHolding(core, "decoder.layers.0.mlp.linear_fc1.weight",
                {layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight"});
  for (const char *router : {"mlp.router.weight", "mlp.router.weight.weight"})
    expectHolding(core, std::string("decoder.layers.0.") + router, {layer + "mlp.gate.weight"});
  expectHolding(core, "decoder.layers.0.mlp.experts.weight2",
                {layer + "mlp.experts.{}.down_proj.weight"}, Layout::TransposedStack);
}

TEST(Naming, OtherNamesAreRefused) {
  for (const char *name :
       {"", "model.layers.", "model.layers.1", "model.layers.1.",
        "model.layers.x.attention.wq.weight", "model.layers..attention.wq.weight",
        "model.layers.-1.attention.wq.weight", "model.layers.1.attention.wq.scale",
        "model.layers.1.attention.wq.", "model.layers.1.attention.wq",
        "layers.1.attention.wq.weight", "model.layers.1.attention.q_norm.bias",
        "decoder.layers.1.attention.wq.weight", "model.norm.weight"}) {
    EXPECT_FALSE(holdingOf(mindFormers, name)) << name;
    EXPECT_FALSE(holdingOf(core, name)) << name;
  }
}

TEST(Naming, Holders) {
  EXPECT_EQ(holdersOf(mindFormers, "model.layers.3.self_attn.v_proj.bias"),
            (Names{"model.layers.3.attention.wv.bias", "model.layers.3.attention.w_qkv.bias"}));
  EXPECT_EQ(holdersOf(mindFormers, "model.layers.3.mlp.experts.17.up_proj.weight"),
            (Names{"model.layers.3.feed_forward.routed_experts.ffn.w3.weight",
                   "model.layers.3.feed_forward.routed_experts.ffn.w_gate_hidden.weight"}));
  EXPECT_EQ(
      holdersOf(core, "model.layers.3.mlp.gate.weight"),
      (Names{"decoder.layers.3.mlp.router.weight.weight", "decoder.layers.3.mlp.router.weight"}));
  EXPECT_EQ(holdersOf(core, "lm_head.weight"), Names{"output_layer.weight"});
  EXPECT_EQ(holdersOf(core, "model.experts.0.weight"), Names{});
}

/// Whatever a tensor holds has that tensor among its holders.
TEST(Naming, HoldersAndHoldingsAgree) {
  for (const Naming *naming : {&mindFormers, &core})
    for (const NamingRule &rule : naming->inLayer) {
      std::string tensor = fmt::format("{}5.{}", naming->layers, rule.tensor);
      if (tensor.ends_with('*'))
        tensor.replace(tensor.size() - 1, 1, "bias");
      std::optional<Holding> holding = holdingOf(*naming, tensor);
      ASSERT_TRUE(holding) << tensor;
      for (std::string part : holding->parts) {
        if (size_t expert = part.find("{}"); expert != std::string::npos)
          part.replace(expert, 2, "40");
        Names holders = holdersOf(*naming, part);
        EXPECT_TRUE(std::ranges::find(holders, tensor) != holders.end()) << tensor << " " << part;
      }
    }
}

} // namespace
} // namespace vinci
