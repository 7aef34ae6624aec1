#include "frontend/quantization.h"

#include "frontend/checkpoint_weights.h"
#include "runtime/support/json.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <unordered_map>

namespace vinci {

// --- names

static constexpr std::string_view supportedSchemes = "FLOAT, W8A8, W8A8_DYNAMIC and W8A16";

std::string_view toString(QuantScheme scheme) {
  switch (scheme) {
  case QuantScheme::Float:
    return "FLOAT";
  case QuantScheme::W8A8:
    return "W8A8";
  case QuantScheme::W8A8Dynamic:
    return "W8A8_DYNAMIC";
  case QuantScheme::W8A16:
    return "W8A16";
  }
  return "unknown";
}

/// The linears of a layer with their schemes, those together that agree.
static std::vector<std::pair<std::string_view, QuantScheme>> partsOf(const LayerQuant &quant) {
  const bool attention = quant.qkv == quant.output, mlp = quant.gateUp == quant.down;
  if (attention && mlp && quant.qkv == quant.down)
    return {{"", quant.qkv}};
  std::vector<std::pair<std::string_view, QuantScheme>> parts;
  if (attention)
    parts = {{"attention", quant.qkv}};
  else
    parts = {{"qkv", quant.qkv}, {"o_proj", quant.output}};
  if (mlp)
    parts.push_back({"mlp", quant.down});
  else
    parts.insert(parts.end(), {{"gate_up", quant.gateUp}, {"down_proj", quant.down}});
  return parts;
}

/// The biases of a layer beyond its config's, as layerRuns has them.
static std::vector<std::string> biasesOf(const LayerQuant &quant) {
  std::vector<std::string> biases;
  for (const auto &[name, bias] : {std::pair("input_layernorm", quant.inputNorm),
                                   std::pair("post_attention_layernorm", quant.postAttentionNorm)})
    if (bias != NormBias::None)
      biases.push_back(fmt::format("{}{}.bias", name, bias == NormBias::Module ? ".module" : ""));
  for (const auto &[name, has] :
       {std::pair("qkv", quant.qkvBias), std::pair("o_proj", quant.outputBias),
        std::pair("gate_up", quant.gateUpBias), std::pair("down_proj", quant.downBias)})
    if (has)
      biases.push_back(fmt::format("{}.bias", name));
  return biases;
}

/// Sets the bias of that name; false if there is none.
static bool setBias(LayerQuant &quant, std::string_view name) {
  for (NormBias bias : {NormBias::Plain, NormBias::Module})
    for (NormBias LayerQuant::*norm : {&LayerQuant::inputNorm, &LayerQuant::postAttentionNorm}) {
      LayerQuant one;
      one.*norm = bias;
      if (name == biasesOf(one).front() && quant.*norm == NormBias::None)
        return quant.*norm = bias, true;
    }
  for (bool LayerQuant::*linear : {&LayerQuant::qkvBias, &LayerQuant::outputBias,
                                   &LayerQuant::gateUpBias, &LayerQuant::downBias}) {
    LayerQuant one;
    one.*linear = true;
    if (name == biasesOf(one).front() && !(quant.*linear))
      return quant.*linear = true;
  }
  return false;
}

std::string toString(const LayerQuant &quant) {
  std::string text;
  for (const auto &[part, scheme] : partsOf(quant))
    text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", part, part.empty() ? "" : " ",
                        toString(scheme));
  for (const std::string &bias : biasesOf(quant))
    text += ", " + bias;
  return text;
}

std::string nameSuffix(const LayerQuant &quant) {
  std::string suffix;
  for (const auto &[part, scheme] : partsOf(quant))
    if (scheme != QuantScheme::Float) {
      std::string name(toString(scheme));
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      suffix += fmt::format("{}{}_{}", part.empty() ? "" : "_", part, name);
    }
  for (std::string bias : biasesOf(quant)) {
    std::ranges::replace(bias, '.', '_');
    suffix += "_" + bias;
  }
  return suffix;
}

// --- the entries of a description

namespace {

/// Keys that are about the checkpoint as a whole.
constexpr std::string_view generalKeys[] = {"model_quant_type",  "version",       "group_size",
                                            "kv_quant_type",     "kv_cache_type", "fa_quant_type",
                                            "reduce_quant_type", "metadata",      "optional"};

/// A tensor's entry, by whichever key names it.
struct Entry {
  std::string tensor; ///< the name that was looked for
  JsonValue value;
  QuantScheme scheme;
};

class Description {
public:
  Description(JsonValue root, ModelSpec &spec) : root_(root), spec_(spec) {
    if (!root.isObject())
      root.failExpected("the description", "an object");
    for (const auto &[key, value] : root.members()) {
      std::string_view name = key.toText("key");
      entries_.emplace(name, Item{key, value});
      hasStars_ |= name.find('*') != std::string_view::npos;
    }
  }

  /// The value of a general key; nullopt where it is absent or null.
  std::optional<JsonValue> general(std::string_view key) {
    auto found = entries_.find(key);
    if (found == entries_.end() || found->second.value.isNull())
      return std::nullopt;
    return found->second.value;
  }

  /// The entry of a tensor of `weight`, if there is one.
  std::optional<Entry> find(const WeightSpec &weight, int64_t layer, int64_t expert);
  /// The same; fails if there is none.
  Entry require(const WeightSpec &weight, int64_t layer, int64_t expert);

  /// Warns of entries that nobody has looked for. Fails for those that would change the numbers.
  void checkOthers();

private:
  struct Item {
    JsonValue key, value;
    bool known = false;
  };

  JsonValue root_;
  ModelSpec &spec_;
  std::unordered_map<std::string_view, Item> entries_; ///< keys are texts of the document
  bool hasStars_ = false;
};

/// `source` with the numbers or stars in place of its placeholders.
std::string tensorName(const std::string &source, std::string_view layer, std::string_view expert) {
  std::string name;
  name.reserve(source.size() + 16);
  for (size_t i = 0; i < source.size();) {
    std::string_view rest = std::string_view(source).substr(i);
    if (rest.starts_with("{layer}")) {
      name += layer;
      i += std::string_view("{layer}").size();
    } else if (rest.starts_with("{}")) {
      name += expert;
      i += std::string_view("{}").size();
    } else {
      name += source[i++];
    }
  }
  return name;
}

QuantScheme schemeOf(const JsonValue &value, std::string_view name) {
  std::string_view tag = value.toText(name);
  for (QuantScheme scheme : quantSchemes)
    if (tag == toString(scheme))
      return scheme;
  fail(value.position(), "{} is {}; {} are supported", name, quoteForMessage(tag),
       supportedSchemes);
}

std::optional<Entry> Description::find(const WeightSpec &weight, int64_t layer, int64_t expert) {
  const std::string layerText = std::to_string(layer), expertText = std::to_string(expert);
  std::string name = tensorName(weight.source, layerText, expertText);
  std::optional<JsonValue> value;
  auto look = [&](const std::string &key) {
    auto found = entries_.find(key);
    if (found == entries_.end())
      return;
    found->second.known = true;
    if (!value)
      value = found->second.value;
  };
  look(name);
  if (hasStars_) {
    look(tensorName(weight.source, layerText, "*"));
    look(tensorName(weight.source, "*", expertText));
    look(tensorName(weight.source, "*", "*"));
  }
  if (!value)
    return std::nullopt;
  return Entry{name, *value, schemeOf(*value, name)};
}

Entry Description::require(const WeightSpec &weight, int64_t layer, int64_t expert) {
  if (std::optional<Entry> entry = find(weight, layer, expert))
    return *entry;
  fail(root_.position(), "{} has no entry; every tensor of the model needs one",
       tensorName(weight.source, std::to_string(layer), std::to_string(expert)));
}

void Description::checkOthers() {
  for (std::string_view key : generalKeys)
    if (auto found = entries_.find(key); found != entries_.end())
      found->second.known = true;
  std::vector<JsonValue> others; // in the order of the file
  for (const auto &[key, value] : root_.members())
    if (!entries_.at(key.toText("key")).known)
      others.push_back(key);
  if (others.empty())
    return;
  for (JsonValue other : others)
    if (std::string_view name = other.toText("key");
        name.ends_with("norm.bias") || name.ends_with("norm.module.bias"))
      fail(other.position(),
           "{} is the bias of a norm that has a weight alone; input_layernorm and "
           "post_attention_layernorm of a layer and model.norm may have a bias",
           other.describe());
  std::string more;
  if (others.size() > 1)
    more = fmt::format(", and neither do {} further entries", others.size() - 1);
  spec_.warnings.push_back(
      {others.front().position(), fmt::format("{} names no tensor of the model and is ignored{}",
                                              others.front().describe(), more)});
}

// --- what a description asks for

/// `key` must be absent, null, or a text that says that nothing is quantised.
void refuseScheme(Description &description, std::string_view key, std::string_view meaning) {
  std::optional<JsonValue> value = description.general(key);
  if (value && !(value->isString() && (value->toText(key).empty() ||
                                       value->toText(key) == toString(QuantScheme::Float))))
    fail(value->position(), "{} is {}: {} is not supported; null would be", key, value->describe(),
         meaning);
}

/// Rotations that are folded into the weights need nothing; those at run time would.
void refuseRotations(Description &description) {
  std::optional<JsonValue> metadata = description.general("metadata");
  std::optional<JsonValue> rotation = metadata ? metadata->find("quarot") : std::nullopt;
  for (std::string_view kind : {"heads_rotation", "kronecker_rotation"}) {
    std::optional<JsonValue> object = rotation ? rotation->find(kind) : std::nullopt;
    std::optional<JsonValue> layers = object ? object->find("layers") : std::nullopt;
    if (layers && layers->size() > 0)
      fail(layers->position(),
           "metadata.quarot.{}.layers is {}: rotations at run time are not supported; an empty "
           "array would be",
           kind, layers->describe());
  }
}

void checkGeneralKeys(Description &description) {
  if (std::optional<JsonValue> type = description.general("model_quant_type"))
    schemeOf(*type, "model_quant_type");
  if (std::optional<JsonValue> version = description.general("version"))
    if (!version->toText("version").starts_with("1."))
      fail(version->position(), "version is {}; 1.x is supported", version->describe());
  if (std::optional<JsonValue> size = description.general("group_size"))
    if (size->toInteger("group_size") != 0)
      fail(size->position(),
           "group_size is {}: scales of groups are not supported; 0, a scale for each output "
           "channel, would be",
           size->describe());
  refuseScheme(description, "kv_quant_type", "a quantised KV cache");
  refuseScheme(description, "kv_cache_type", "a quantised KV cache");
  refuseScheme(description, "fa_quant_type", "quantised attention");
  refuseScheme(description, "reduce_quant_type", "quantised communication");
  refuseRotations(description);
}

/// Linears that must have one scheme, by their symbols in a layer, and why.
struct Group {
  QuantScheme LayerQuant::*scheme;
  bool LayerQuant::*bias;
  std::vector<std::string_view> symbols;
  std::string_view why;
};

const std::array<Group, 4> &groups() {
  static const std::array<Group, 4> table = {{
      {&LayerQuant::qkv,
       &LayerQuant::qkvBias,
       {"q_proj", "k_proj", "v_proj"},
       "q, k and v must have one scheme"},
      {&LayerQuant::output, &LayerQuant::outputBias, {"o_proj"}, ""},
      {&LayerQuant::gateUp,
       &LayerQuant::gateUpBias,
       {"gate_proj", "up_proj"},
       "gate and up, of all experts, must have one scheme"},
      {&LayerQuant::down, &LayerQuant::downBias, {"down_proj"}, "all experts must have one scheme"},
  }};
  return table;
}

/// A scheme that is supported for this linear.
void checkLinear(const Entry &entry, const WeightSpec &weight) {
  if (entry.scheme == QuantScheme::Float)
    return;
  if (weight.stack > 0 && entry.scheme == QuantScheme::W8A8)
    fail(entry.value.position(), "{} is W8A8; experts may be FLOAT, W8A8_DYNAMIC and W8A16",
         entry.tensor);
  if (entry.scheme != QuantScheme::W8A16 && weight.shape.back() > maxInt8Depth)
    fail(entry.value.position(),
         "{} is {}, but sums of its {} inputs would not fit into int32; at most {} are supported",
         entry.tensor, toString(entry.scheme), weight.shape.back(), maxInt8Depth);
}

/// The same tensor's sibling: `part` in place of what stands behind the last dot of the source.
WeightSpec sibling(WeightSpec weight, std::string_view part) {
  weight.source = weight.source.substr(0, weight.source.rfind('.') + 1) + std::string(part);
  return weight;
}

/// Whether linears that the config says have no bias have one. Static ones have it in quant_bias.
bool findBiases(Description &description, int64_t layer, const Group &group, QuantScheme scheme,
                const std::vector<WeightSpec> &weights) {
  std::optional<Entry> found;
  std::vector<std::string> without;
  for (const WeightSpec &weight : weights) {
    if (std::ranges::find(group.symbols, weight.symbol) == group.symbols.end())
      continue;
    if (std::ranges::find(weights, weight.symbol + ".bias", &WeightSpec::symbol) != weights.end())
      return false; // the config says so
    for (int64_t expert = 0; expert < std::max<int64_t>(weight.stack, 1); ++expert) {
      std::optional<Entry> bias = description.find(sibling(weight, "bias"), layer, expert);
      if (!bias)
        without.push_back(tensorName(sibling(weight, "bias").source, std::to_string(layer),
                                     std::to_string(expert)));
      else if (weight.stack > 0)
        fail(bias->value.position(), "{} is the bias of an expert; experts have weights alone",
             bias->tensor);
      else if (!found)
        found = bias;
    }
  }
  if (!found || scheme == QuantScheme::W8A8)
    return false;
  if (!without.empty())
    fail(found->value.position(),
         "{} has an entry, but {} has none; {} have biases or none of them", found->tensor,
         without.front(), fmt::join(group.symbols, ", "));
  return true;
}

/// Whether the norm `symbol`, whose linears are of `scheme`, has a bias.
NormBias findNormBias(Description &description, int64_t layer, std::string_view symbol,
                      QuantScheme scheme, bool sparse, const std::vector<WeightSpec> &weights) {
  const WeightSpec &weight = *std::ranges::find(weights, symbol, &WeightSpec::symbol);
  const auto plain = description.find(sibling(weight, "bias"), layer, 0);
  const auto module = description.find(sibling(weight, "module.bias"), layer, 0);
  const auto moduleWeight = description.find(sibling(weight, "module.weight"), layer, 0);
  if (plain && module)
    fail(module->value.position(), "{} has an entry, and so has {} ({}); a norm has one bias",
         module->tensor, plain->tensor, toString(plain->value.position()));
  if (bool(module) != bool(moduleWeight))
    fail((module ? module : moduleWeight)->value.position(),
         "{} has an entry, but not {}; legal are both or none",
         (module ? module : moduleWeight)->tensor,
         tensorName(sibling(weight, module ? "module.weight" : "module.bias").source,
                    std::to_string(layer), ""));
  if (plain)
    return NormBias::Plain;
  // Linears that are not quantised read what the norm of the float model makes.
  if (!module || scheme == QuantScheme::Float)
    return NormBias::None;
  if (sparse)
    fail(module->value.position(),
         "{} is of a layer with experts, whose router reads the norm of the float model: not "
         "supported; {} would be for all of them",
         module->tensor, tensorName(sibling(weight, "bias").source, std::to_string(layer), ""));
  description.find(weight, layer, 0); // of the float model; nothing reads it
  return NormBias::Module;
}

/// The schemes of a layer whose float weights are `weights`.
LayerQuant resolveLayer(Description &description, int64_t layer,
                        const std::vector<WeightSpec> &weights) {
  LayerQuant quant;
  for (const Group &group : groups()) {
    std::optional<Entry> first;
    for (const WeightSpec &weight : weights) {
      if (std::ranges::find(group.symbols, weight.symbol) == group.symbols.end())
        continue;
      for (int64_t expert = 0; expert < std::max<int64_t>(weight.stack, 1); ++expert) {
        Entry entry = description.require(weight, layer, expert);
        checkLinear(entry, weight);
        if (!first)
          first = entry;
        if (entry.scheme != first->scheme)
          fail(entry.value.position(), "{} is {}, but {} is {} ({}); {}", entry.tensor,
               toString(entry.scheme), first->tensor, toString(first->scheme),
               toString(first->value.position()), group.why);
      }
    }
    quant.*group.scheme = first->scheme;
    quant.*group.bias = findBiases(description, layer, group, first->scheme, weights);
  }
  const bool sparse = std::ranges::any_of(weights, [](auto &weight) { return weight.stack > 0; });
  quant.inputNorm = findNormBias(description, layer, "input_layernorm", quant.qkv, false, weights);
  quant.postAttentionNorm =
      findNormBias(description, layer, "post_attention_layernorm", quant.gateUp, sparse, weights);
  return quant;
}

/// Checkpoints may carry what made a static linear: the scale of its weight and its bias, which
/// deq_scale and quant_bias hold already.
void allowOrigins(Description &description, WeightSpec weight, int64_t layer) {
  const std::string linear = weight.source.substr(0, weight.source.rfind('.'));
  for (const char *origin : {".weight_scale", ".weight_offset", ".bias"}) {
    weight.source = linear + origin;
    description.find(weight, layer, 0);
  }
}

void requireFloat(const Entry &entry) {
  if (entry.scheme != QuantScheme::Float)
    fail(entry.value.position(), "{} is {}: not supported yet; it must be FLOAT", entry.tensor,
         toString(entry.scheme));
}

/// Every tensor has the entry that its linear's scheme asks for.
void checkTensors(Description &description, const std::vector<WeightSpec> &weights, int64_t layer) {
  for (const WeightSpec &weight : weights) {
    if (weight.scheme == QuantScheme::W8A8 && weight.dtype == DType::Int8)
      allowOrigins(description, weight, layer);
    const bool isBias = weight.source.ends_with(".bias");
    for (int64_t expert = 0; expert < std::max<int64_t>(weight.stack, 1); ++expert) {
      std::optional<Entry> entry = isBias ? description.find(weight, layer, expert)
                                          : description.require(weight, layer, expert);
      // Descriptions give norms whose outliers were moved the scheme of what reads them.
      const bool isMoved = weight.source.find("norm.module.") != std::string::npos ||
                           weight.source.ends_with("norm.bias");
      if (!entry || entry->scheme == weight.scheme || isMoved ||
          (isBias && entry->scheme == QuantScheme::Float))
        continue;
      if (weight.scheme == QuantScheme::Float)
        requireFloat(*entry);
      fail(entry->value.position(), "{} is {}, but its linear is {}; they must be equal",
           entry->tensor, toString(entry->scheme), toString(weight.scheme));
    }
  }
}

QuantScheme headScheme(const Entry &entry, const ModelSpec &spec) {
  if (entry.scheme != QuantScheme::Float && spec.tieWordEmbeddings)
    fail(entry.value.position(),
         "{} is {}, but config.json ties the head to the embedding (tie_word_embeddings), which is "
         "FLOAT; a quantised head is a matrix of its own",
         entry.tensor, toString(entry.scheme));
  if (entry.scheme != QuantScheme::Float && entry.scheme != QuantScheme::W8A8Dynamic)
    fail(entry.value.position(), "{} is {}: not supported yet; it must be FLOAT or W8A8_DYNAMIC",
         entry.tensor, toString(entry.scheme));
  return entry.scheme;
}

} // namespace

void resolveQuantDescription(ModelSpec &spec, std::string text, const std::string &fileName) {
  JsonDocument document = JsonDocument::parse(std::move(text), fileName);
  Description description(document.root(), spec);
  checkGeneralKeys(description);

  QuantSpec quant;
  std::map<bool, std::vector<WeightSpec>> floatWeights;
  for (const auto &[kind, layers] : spec.layerKinds())
    floatWeights[kind.sparse] = layerWeights(spec, kind);
  for (int64_t layer = 0; layer < spec.numHiddenLayers; ++layer)
    quant.layers.push_back(
        resolveLayer(description, layer, floatWeights.at(spec.isSparseLayer(layer))));
  const WeightSpec norm{"norm", "model.norm.weight", {}};
  if (description.find(sibling(norm, "bias"), 0, 0))
    quant.norm = NormBias::Plain;
  spec.quant = std::move(quant);

  if (std::optional<Entry> head = description.find({"lm_head", "lm_head.weight", {}}, 0, 0))
    spec.quant->head = headScheme(*head, spec);
  checkTensors(description, modelWeights(spec), 0);
  std::map<LayerKind, std::vector<WeightSpec>> weightsOf;
  for (const auto &[kind, layers] : spec.layerKinds())
    weightsOf[kind] = layerWeights(spec, kind);
  for (int64_t layer = 0; layer < spec.numHiddenLayers; ++layer)
    checkTensors(description, weightsOf.at(spec.layerKind(layer)), layer);
  description.checkOthers();
}

std::vector<std::string> layerRuns(const QuantSpec &quant) {
  std::vector<std::string> runs;
  for (size_t begin = 0; begin < quant.layers.size();) {
    const LayerQuant &kind = quant.layers[begin];
    size_t end = begin;
    while (end < quant.layers.size() && quant.layers[end] == kind)
      ++end;
    runs.push_back(fmt::format("{}-{} {} {} {} {}", begin, end - 1, toString(kind.qkv),
                               toString(kind.output), toString(kind.gateUp), toString(kind.down)));
    for (const std::string &bias : biasesOf(kind))
      runs.back() += " " + bias;
    begin = end;
  }
  if (quant.norm != NormBias::None)
    runs.push_back("norm.bias");
  if (quant.head != QuantScheme::Float)
    runs.push_back(fmt::format("lm_head {}", toString(quant.head)));
  return runs;
}

static QuantScheme parseScheme(const std::string &name, const SourcePosition &position) {
  for (QuantScheme scheme : quantSchemes)
    if (name == toString(scheme))
      return scheme;
  fail(position, "layer_schemes has {}; {} are supported", quoteForMessage(name), supportedSchemes);
}

static constexpr std::string_view quantisedHead = "lm_head W8A8_DYNAMIC";

QuantSpec parseLayerRuns(const std::vector<std::string> &runs, int64_t numLayers,
                         const SourcePosition &position) {
  QuantSpec quant;
  for (const std::string &run : runs) {
    const bool hasAll = int64_t(quant.layers.size()) == numLayers;
    if (hasAll && run == "norm.bias" && quant.head == QuantScheme::Float) {
      quant.norm = NormBias::Plain;
      continue;
    }
    if (hasAll && run == quantisedHead && &run == &runs.back()) {
      quant.head = QuantScheme::W8A8Dynamic;
      continue;
    }
    std::istringstream text(run);
    int64_t first = -1, last = -1;
    char dash = 0;
    std::string schemes[4], rest;
    text >> first >> dash >> last >> schemes[0] >> schemes[1] >> schemes[2] >> schemes[3];
    bool legal = text && dash == '-' && first == int64_t(quant.layers.size()) && last >= first &&
                 last < numLayers;
    LayerQuant kind;
    while (legal && text >> rest)
      legal = setBias(kind, rest);
    if (!legal)
      fail(position,
           "layer_schemes has {}; runs such as \"0-{} W8A8 W8A8 FLOAT FLOAT\", in the order of the "
           "layers, are expected, with biases such as input_layernorm.bias behind them",
           quoteForMessage(run), numLayers - 1);
    kind.qkv = parseScheme(schemes[0], position);
    kind.output = parseScheme(schemes[1], position);
    kind.gateUp = parseScheme(schemes[2], position);
    kind.down = parseScheme(schemes[3], position);
    quant.layers.resize(size_t(last) + 1, kind);
  }
  if (int64_t(quant.layers.size()) != numLayers)
    fail(position, "layer_schemes are of {} layers; the model has {}", quant.layers.size(),
         numLayers);
  return quant;
}

bool looksLikeQuantDescription(const JsonValue &root) {
  if (root.find("model_quant_type"))
    return true;
  for (const auto &[key, value] : root.members())
    if (key.toText("a key").ends_with(".weight") && value.isString())
      return true;
  return false;
}

std::string summarizeQuantDescription(const JsonValue &root) {
  std::map<std::string, size_t, std::less<>> counts;
  for (const auto &[key, value] : root.members())
    if (key.toText("a key").ends_with(".weight"))
      ++counts[std::string(value.toText(key.toText("a key")))];
  std::string text;
  for (const auto &[scheme, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, scheme);
  return text;
}

} // namespace vinci
