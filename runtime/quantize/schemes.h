// Which linears are quantised, and how.
#pragma once

#include "runtime/reference/reference_config.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// Spelled FLOAT, W8A8, W8A8_DYNAMIC and W8A16 in quant_model_description.json. W8A16 has int8
/// weights and activations as they are.
enum class LinearScheme : uint8_t { Float, W8A8, W8A8Dynamic, W8A16 };

std::string_view descriptionTag(LinearScheme scheme);

/// The linears of a layer that must have one scheme, because they share an input (q, k and v; gate
/// and up) or because it is the same linear of all experts.
/// Head, lm_head alone, is in no layer and no LayerSchemes.
enum class LinearGroup : uint8_t { Qkv, Output, GateUp, Down, Head };
inline constexpr LinearGroup linearGroups[] = {LinearGroup::Qkv, LinearGroup::Output,
                                               LinearGroup::GateUp, LinearGroup::Down};

/// "qkv_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head".
std::string_view toString(LinearGroup group);
/// The names of its linears: q_proj, k_proj, v_proj.
std::vector<std::string> linearsOf(LinearGroup group);

/// What reads its input: of a layer without experts "input_layernorm", "attention",
/// "post_attention_layernorm", "gate_proj.swiglu", "norm", as ReferencePass names it.
std::string_view inputOf(LinearGroup group);

/// A tensor of a linear in a decoder layer.
struct LinearTensor {
  uint64_t layer = 0;
  LinearGroup group = LinearGroup::Qkv;
  std::string linear; ///< "model.layers.0.self_attn.q_proj"
  std::string part;   ///< "weight", "bias"
};
/// nullopt for the name of any other tensor: embedding, norms, router, head.
std::optional<LinearTensor> parseLinearTensor(const std::string &name);

struct LayerSchemes {
  LinearScheme groups[4] = {};
  LinearScheme &operator[](LinearGroup group) { return groups[size_t(group)]; }
  LinearScheme operator[](LinearGroup group) const { return groups[size_t(group)]; }
};

/// `scheme` for every linear but those of `keepFloat`. Experts that are to be W8A8 are
/// W8A8_DYNAMIC: who they will see is not known ahead of time.
///
/// `keepFloat` is a list of names with commas: a linear (`down_proj`), of all layers or of some
/// (`layers.0.down_proj`, `layers.0-3.o_proj`), or whole layers (`layers.3`). One of q_proj, k_proj
/// and v_proj keeps all three, and one of gate_proj and up_proj both. Throws Error for a name that
/// is none of the model, saying which are.
std::vector<LayerSchemes> schemesFor(const ReferenceConfig &config, LinearScheme scheme,
                                     std::string_view keepFloat);

} // namespace vinci
