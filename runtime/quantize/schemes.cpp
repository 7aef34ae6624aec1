#include "runtime/quantize/schemes.h"

#include "runtime/support/error.h"
#include "runtime/support/json.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace vinci {

std::string_view descriptionTag(LinearScheme scheme) {
  static constexpr std::string_view tags[] = {"FLOAT", "W8A8", "W8A8_DYNAMIC", "W8A16"};
  return tags[size_t(scheme)];
}

std::string_view toString(LinearGroup group) {
  static constexpr std::string_view names[] = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj",
                                               "lm_head"};
  return names[size_t(group)];
}

std::vector<std::string> linearsOf(LinearGroup group) {
  static const std::vector<std::string> names[] = {{"q_proj", "k_proj", "v_proj"},
                                                   {"o_proj"},
                                                   {"gate_proj", "up_proj"},
                                                   {"down_proj"},
                                                   {"lm_head"}};
  return names[size_t(group)];
}

std::string_view inputOf(LinearGroup group) {
  static constexpr std::string_view names[] = {
      "input_layernorm", "attention", "post_attention_layernorm", "gate_proj.swiglu", "norm"};
  return names[size_t(group)];
}

namespace {

struct LayerRange {
  uint64_t first = 0, last = 0;
};

[[noreturn]] void refuse(std::string_view item, const ReferenceConfig &config) {
  fail("--keep-float has {}; q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj are "
       "legal, each also of some layers (layers.0.down_proj, layers.0-{}.o_proj), and layers as a "
       "whole (layers.0, layers.0-{})",
       quoteForMessage(item), config.numHiddenLayers - 1, config.numHiddenLayers - 1);
}

/// "3" or "0-3"; nullopt for anything else.
std::optional<LayerRange> parseRange(std::string_view text) {
  LayerRange range;
  const char *end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, range.first);
  if (error != std::errc())
    return std::nullopt;
  range.last = range.first;
  if (rest != end && *rest == '-') {
    auto [afterLast, lastError] = std::from_chars(rest + 1, end, range.last);
    if (lastError != std::errc())
      return std::nullopt;
    rest = afterLast;
  }
  return rest == end ? std::optional(range) : std::nullopt;
}

std::optional<LinearGroup> groupOf(std::string_view linear) {
  for (LinearGroup group : linearGroups)
    if (const auto names = linearsOf(group); std::ranges::find(names, linear) != names.end())
      return group;
  return std::nullopt;
}

void keep(std::string_view item, const ReferenceConfig &config,
          std::vector<LayerSchemes> &schemes) {
  static constexpr std::string_view prefix = "layers.";
  LayerRange range{0, config.numHiddenLayers - 1};
  std::string_view linear = item;
  if (item.starts_with(prefix)) {
    const std::string_view rest = item.substr(prefix.size());
    const size_t dot = rest.find('.');
    const auto given = parseRange(rest.substr(0, dot));
    if (!given || given->last < given->first || given->last >= config.numHiddenLayers)
      refuse(item, config);
    range = *given;
    linear = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    if (dot != std::string_view::npos && linear.empty())
      refuse(item, config);
  } else if (linear.empty()) {
    refuse(item, config);
  }
  const std::optional<LinearGroup> group = groupOf(linear);
  if (!group && !linear.empty())
    refuse(item, config);
  for (uint64_t layer = range.first; layer <= range.last; ++layer)
    for (LinearGroup each : linearGroups)
      if (!group || *group == each)
        schemes[layer][each] = LinearScheme::Float;
}

} // namespace

std::optional<LinearTensor> parseLinearTensor(const std::string &name) {
  static constexpr std::string_view prefix = "model.layers.";
  const size_t part = name.rfind('.');
  if (!name.starts_with(prefix) || part < prefix.size())
    return std::nullopt;
  LinearTensor tensor{0, {}, name.substr(0, part), name.substr(part + 1)};
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), tensor.layer);
  const auto group = groupOf(std::string_view(tensor.linear).substr(tensor.linear.rfind('.') + 1));
  if (!group)
    return std::nullopt;
  tensor.group = *group;
  return tensor;
}

std::vector<LayerSchemes> schemesFor(const ReferenceConfig &config, LinearScheme scheme,
                                     std::string_view keepFloat) {
  std::vector<LayerSchemes> schemes(config.numHiddenLayers);
  for (uint64_t layer = 0; layer < schemes.size(); ++layer)
    for (LinearGroup group : linearGroups) {
      const bool isExperts =
          config.hasExperts(layer) && (group == LinearGroup::GateUp || group == LinearGroup::Down);
      schemes[layer][group] =
          isExperts && scheme == LinearScheme::W8A8 ? LinearScheme::W8A8Dynamic : scheme;
    }
  for (size_t begin = 0; !keepFloat.empty() && begin <= keepFloat.size();) {
    const size_t end = std::min(keepFloat.find(',', begin), keepFloat.size());
    keep(keepFloat.substr(begin, end - begin), config, schemes);
    begin = end + 1;
  }
  return schemes;
}

} // namespace vinci
