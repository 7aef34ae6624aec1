// How the linears of a model are quantised, and the file that says so.
//
// A quantised checkpoint carries quant_model_description.json beside config.json: a flat object
// from tensor name to scheme, and a few keys about the checkpoint as a whole. The scheme of a
// linear is what stands at `<linear>.weight`.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/support/json.h"

namespace vinci {

struct ModelSpec;

/// Spelled FLOAT, W8A8, W8A8_DYNAMIC and W8A16 in the description. Weights of the quantised ones
/// are int8 with a scale per output channel.
enum class QuantScheme : uint8_t {
  Float,
  W8A8,        ///< activations int8 with one scale and offset, known in advance
  W8A8Dynamic, ///< activations int8 with a scale per token, computed at run time
  W8A16,       ///< activations as they are
};
inline constexpr QuantScheme quantSchemes[] = {QuantScheme::Float, QuantScheme::W8A8,
                                               QuantScheme::W8A8Dynamic, QuantScheme::W8A16};

std::string_view toString(QuantScheme scheme);

/// Whether a norm has a bias, as it has where outliers were moved from activations into weights.
enum class NormBias : uint8_t {
  None,
  Plain,  ///< `<norm>.bias`
  Module, ///< `<norm>.module.bias`, beside `<norm>.module.weight`; `<norm>.weight`, if it is there,
          ///< is that of the float model and unread
};

/// The schemes of a decoder layer's linears. Those that share an input, and the same linear of all
/// experts, share a scheme.
struct LayerQuant {
  QuantScheme qkv = QuantScheme::Float;
  QuantScheme output = QuantScheme::Float; ///< o_proj
  QuantScheme gateUp = QuantScheme::Float;
  QuantScheme down = QuantScheme::Float;

  NormBias inputNorm = NormBias::None;
  NormBias postAttentionNorm = NormBias::None;
  /// Linears that have a bias which the config does not speak of: it takes the norm's out again.
  bool qkvBias = false, outputBias = false, gateUpBias = false, downBias = false;

  auto operator<=>(const LayerQuant &) const = default;
};

/// "FLOAT", "W8A8", "attention W8A8, mlp W8A8_DYNAMIC", "qkv W8A8, o_proj FLOAT, mlp W8A8": as
/// short as it can be said.
std::string toString(const LayerQuant &quant);

/// The same for names of bodies, quantised linears only: "", "_w8a8",
/// "_attention_w8a8_mlp_w8a8_dynamic". Different for different schemes.
std::string nameSuffix(const LayerQuant &quant);

struct QuantSpec {
  std::vector<LayerQuant> layers; ///< one for each decoder layer
  /// Of the last norm; never Module. Its reader, lm_head, has no bias that would take it out again.
  NormBias norm = NormBias::None;
  /// Of lm_head: Float or W8A8Dynamic. A quantised one is a matrix of its own, never the embedding.
  QuantScheme head = QuantScheme::Float;
};

/// The layers in runs of equal ones, as settings have them: layers, then the schemes of qkv,
/// o_proj, gate and up, down: "0-93 W8A8 W8A8 W8A8_DYNAMIC W8A8_DYNAMIC"; then the biases that the
/// layers have beyond their config's, such as "input_layernorm.bias" and "qkv.bias". Behind them
/// "norm.bias" and "lm_head W8A8_DYNAMIC", if it is so.
std::vector<std::string> layerRuns(const QuantSpec &quant);
/// The inverse, for a model of `numLayers` layers; fails at `position` on what layerRuns would not
/// write.
QuantSpec parseLayerRuns(const std::vector<std::string> &runs, int64_t numLayers,
                         const SourcePosition &position);

/// True if `root`, of some JSON file, is a description.
bool looksLikeQuantDescription(const JsonValue &root);
/// How many of its entries have which scheme: "7 FLOAT, 28 W8A8". For a description without a
/// model.
std::string summarizeQuantDescription(const JsonValue &root);

inline constexpr std::string_view quantDescriptionFile = "quant_model_description.json";

/// Reads the text of a description into spec.quant. `fileName` is what messages call it.
///
/// Every tensor of the model needs an entry, and the tensors that come with a quantised weight
/// (checkpoint_weights.h) the entry of their linear; biases may have one. A norm has a bias if it
/// has an entry for one, and so has a linear that the config says has none: such a bias takes that
/// of the norm out again. In place of the number of a layer or an expert there may be a `*`; a name
/// with numbers wins over one with a star, and a layer's number over an expert's.
///
/// Fails, naming the entry, its value and what is supported, where an entry is missing, a scheme is
/// not supported (at all, or for this tensor), linears that must agree do not, or the checkpoint
/// asks for more than quantised linears. Entries of tensors that the model does not have are a
/// warning.
void resolveQuantDescription(ModelSpec &spec, std::string text, const std::string &fileName);

} // namespace vinci
