#include "runtime/weights/naming.h"

#include <algorithm>
#include <fmt/format.h>

namespace vinci {
namespace {

constexpr std::string_view planLayers = "model.layers.";

std::vector<std::string_view> queryKeyValue() {
  return {"self_attn.q_proj.*", "self_attn.k_proj.*", "self_attn.v_proj.*"};
}

std::vector<std::string_view> gateUp() {
  return {"mlp.gate_proj.*", "mlp.up_proj.*"};
}

std::vector<std::string_view> expertGateUp() {
  return {"mlp.experts.{}.gate_proj.weight", "mlp.experts.{}.up_proj.weight"};
}

Naming huggingFace() {
  return {"Hugging Face", {}, {}, {}};
}

/// MindFormers' llama-style networks. With qkv_concat, ffn_concat or both, w_qkv and w_gate_hidden
/// take the place of three and two tensors.
Naming mindFormers() {
  return {
      "MindFormers",
      planLayers,
      {
          {"model.tok_embeddings.embedding_weight", {"model.embed_tokens.weight"}},
          {"model.norm_out.weight", {"model.norm.weight"}},
          {"lm_head.weight", {"lm_head.weight"}},
      },
      {
          {"attention_norm.weight", {"input_layernorm.weight"}},
          {"attention.wq.*", {"self_attn.q_proj.*"}},
          {"attention.wk.*", {"self_attn.k_proj.*"}},
          {"attention.wv.*", {"self_attn.v_proj.*"}},
          {"attention.w_qkv.*", queryKeyValue(), Layout::RowsPerKeyValueHead},
          {"attention.q_norm.weight", {"self_attn.q_norm.weight"}},
          {"attention.k_norm.weight", {"self_attn.k_norm.weight"}},
          {"attention.wo.*", {"self_attn.o_proj.*"}},
          {"ffn_norm.weight", {"post_attention_layernorm.weight"}},
          {"feed_forward.w1.*", {"mlp.gate_proj.*"}},
          {"feed_forward.w3.*", {"mlp.up_proj.*"}},
          {"feed_forward.w_gate_hidden.*", gateUp(), Layout::AlternatingRows},
          {"feed_forward.w2.*", {"mlp.down_proj.*"}},
          {"feed_forward.routed_experts.router.dense.weight", {"mlp.gate.weight"}},
          {"feed_forward.routed_experts.ffn.w1.weight",
           {"mlp.experts.{}.gate_proj.weight"},
           Layout::TransposedStack},
          {"feed_forward.routed_experts.ffn.w3.weight",
           {"mlp.experts.{}.up_proj.weight"},
           Layout::TransposedStack},
          {"feed_forward.routed_experts.ffn.w_gate_hidden.weight", expertGateUp(),
           Layout::TransposedStack},
          {"feed_forward.routed_experts.ffn.w2.weight",
           {"mlp.experts.{}.down_proj.weight"},
           Layout::TransposedStack},
      },
  };
}

/// MindFormers' networks after Megatron core, one rank.
Naming mindFormersCore() {
  return {
      "MindFormers mcore",
      "decoder.layers.",
      {
          {"embedding.word_embeddings.weight", {"model.embed_tokens.weight"}},
          {"decoder.final_layernorm.weight", {"model.norm.weight"}},
          {"output_layer.weight", {"lm_head.weight"}},
      },
      {
          {"input_layernorm.weight", {"input_layernorm.weight"}},
          {"self_attention.linear_qkv.*", queryKeyValue()},
          {"self_attention.q_layernorm.weight", {"self_attn.q_norm.weight"}},
          {"self_attention.k_layernorm.weight", {"self_attn.k_norm.weight"}},
          {"self_attention.linear_proj.*", {"self_attn.o_proj.*"}},
          {"pre_mlp_layernorm.weight", {"post_attention_layernorm.weight"}},
          {"mlp.linear_fc1.*", gateUp()},
          {"mlp.linear_fc2.*", {"mlp.down_proj.*"}},
          {"mlp.router.weight.weight", {"mlp.gate.weight"}},
          {"mlp.router.weight", {"mlp.gate.weight"}},
          {"mlp.experts.weight1", expertGateUp(), Layout::TransposedStack},
          {"mlp.experts.weight2", {"mlp.experts.{}.down_proj.weight"}, Layout::TransposedStack},
      },
  };
}

bool isNumber(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// The kind, "weight" or "bias" (of a pattern without '*': nothing), if `name` has this pattern.
std::optional<std::string_view> matchKind(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*'))
    return name == pattern ? std::optional(std::string_view()) : std::nullopt;
  pattern.remove_suffix(1);
  if (!name.starts_with(pattern))
    return std::nullopt;
  name.remove_prefix(pattern.size());
  return name == "weight" || name == "bias" ? std::optional(name) : std::nullopt;
}

std::string withKind(std::string_view pattern, std::string_view kind) {
  std::string name(pattern);
  if (name.ends_with('*'))
    name.replace(name.size() - 1, 1, kind);
  return name;
}

/// "model.layers.", "3", "self_attn.q_proj.weight".
struct LayerName {
  std::string_view layer, rest;
};

std::optional<LayerName> splitLayer(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix))
    return std::nullopt;
  name.remove_prefix(prefix.size());
  size_t dot = name.find('.');
  if (dot == std::string_view::npos || !isNumber(name.substr(0, dot)))
    return std::nullopt;
  return LayerName{name.substr(0, dot), name.substr(dot + 1)};
}

/// "mlp.experts.7.up_proj.weight" with "{}" for the number.
std::string withoutExpert(std::string_view name) {
  constexpr std::string_view experts = "mlp.experts.";
  std::optional<LayerName> expert = splitLayer(experts, name);
  return expert ? fmt::format("{}{{}}.{}", experts, expert->rest) : std::string(name);
}

bool isAsInPlan(const Naming &naming) {
  return naming.model.empty() && naming.inLayer.empty();
}

} // namespace

std::span<const Naming> namings() {
  static const std::vector<Naming> all = {huggingFace(), mindFormers(), mindFormersCore()};
  return all;
}

std::optional<Holding> holdingOf(const Naming &naming, std::string_view tensor) {
  if (isAsInPlan(naming))
    return Holding{{std::string(tensor)}};
  for (const NamingRule &rule : naming.model)
    if (rule.tensor == tensor)
      return Holding{{rule.parts.begin(), rule.parts.end()}, rule.layout};
  std::optional<LayerName> name = splitLayer(naming.layers, tensor);
  if (!name)
    return std::nullopt;
  for (const NamingRule &rule : naming.inLayer)
    if (std::optional<std::string_view> kind = matchKind(rule.tensor, name->rest)) {
      Holding holding{{}, rule.layout};
      for (std::string_view part : rule.parts)
        holding.parts.push_back(
            fmt::format("{}{}.{}", planLayers, name->layer, withKind(part, *kind)));
      return holding;
    }
  return std::nullopt;
}

std::vector<std::string> holdersOf(const Naming &naming, std::string_view part) {
  std::vector<std::string> holders;
  if (isAsInPlan(naming))
    return {std::string(part)};
  for (const NamingRule &rule : naming.model)
    if (std::ranges::find(rule.parts, part) != rule.parts.end())
      holders.emplace_back(rule.tensor);
  if (std::optional<LayerName> name = splitLayer(planLayers, part)) {
    const std::string rest = withoutExpert(name->rest);
    for (const NamingRule &rule : naming.inLayer)
      for (std::string_view pattern : rule.parts)
        if (std::optional<std::string_view> kind = matchKind(pattern, rest))
          holders.push_back(
              fmt::format("{}{}.{}", naming.layers, name->layer, withKind(rule.tensor, *kind)));
  }
  return holders;
}

} // namespace vinci
