#include "frontend/huggingface/config_parts.h"
#include "frontend/huggingface/known_keys.h"

namespace vinci {

// --- rotary positions

namespace {

/// Collects the places that may say rope_theta and holds them to one value.
struct RopeTheta {
  std::optional<JsonValue> value;
  std::string name;

  void add(const JsonValue &candidate, const std::string &candidateName, ConfigReader &reader) {
    double theta = numberInRange(candidate, candidateName, 1, 1e15);
    if (!value) {
      value = candidate;
      name = candidateName;
      reader.spec().ropeTheta = theta;
      reader.recordOrigin("rope_theta", candidate);
    } else if (theta != reader.spec().ropeTheta) {
      fail(candidate.position(), "{} is {} but {}, the other spelling of the same thing, is {}",
           candidateName, candidate.describe(), name, value->describe());
    }
  }
};

void requireWholeHead(const std::optional<JsonValue> &factor, const std::string &name) {
  if (factor && factor->toNumber(name) != 1)
    fail(factor->position(),
         "{} is {}: rotary positions on part of a head are not supported; 1 would be", name,
         factor->describe());
}

/// One of the objects `rope_parameters` and `rope_scaling`.
void resolveRopeObject(ConfigReader &reader, std::string_view key, RopeTheta &theta) {
  std::optional<JsonValue> object = reader.find(key);
  if (!object)
    return;
  if (!object->isObject())
    object->failExpected(key, "an object or null");
  std::string prefix = std::string(key) + ".";

  std::optional<JsonValue> type;
  for (std::string_view spelling : {"rope_type", "type"}) {
    std::optional<JsonValue> value = object->find(spelling);
    if (!value || value->isNull())
      continue;
    if (value->toText(prefix + std::string(spelling)) != "default")
      fail(value->position(),
           "{}{} is {}: scaled rotary positions are not supported; \"default\" is", prefix,
           spelling, value->describe());
    type = value;
  }
  for (const auto &[name, value] : object->members()) {
    std::string_view member = name.toText("key");
    if (member == "rope_type" || member == "type" || value.isNull())
      continue;
    if (member == "rope_theta")
      theta.add(value, prefix + "rope_theta", reader);
    else if (member == "partial_rotary_factor")
      requireWholeHead(value, prefix + "partial_rotary_factor");
    else if (value.isObject())
      fail(value.position(),
           "{}{} is an object: rotary positions per kind of layer are not supported", prefix,
           quoteForMessage(member));
    else if (member.substr(0, 5) == "mrope")
      fail(name.position(), "{}{}: positions in several dimensions are not supported", prefix,
           member);
    else if (!type)
      fail(
          name.position(),
          "{} has {} without \"rope_type\": \"default\"; only plain rotary positions are supported",
          key, quoteForMessage(member));
    else
      reader.warn(name, fmt::format("{}{} has no meaning with rope_type \"default\" and is ignored",
                                    prefix, quoteForMessage(member)));
  }
}

} // namespace

void resolveRope(ConfigReader &reader) {
  reader.spec().ropeTheta = 10000;
  RopeTheta theta;
  if (std::optional<JsonValue> value = reader.find("rope_theta"))
    theta.add(*value, "rope_theta", reader);
  resolveRopeObject(reader, "rope_parameters", theta);
  resolveRopeObject(reader, "rope_scaling", theta);
  requireWholeHead(reader.find("partial_rotary_factor"), "partial_rotary_factor");
}

// --- sliding windows

void refuseSlidingWindow(ConfigReader &reader, const Family &family) {
  const ModelSpec &spec = reader.spec();
  bool typesDecide = false;
  if (std::optional<JsonValue> types = reader.find("layer_types")) {
    if (!types->isArray() || types->size() != size_t(spec.numHiddenLayers))
      types->failExpected("layer_types",
                          fmt::format("an array of {} (num_hidden_layers)", spec.numHiddenLayers));
    int64_t layer = 0;
    for (const JsonValue &type : types->elements()) {
      std::string name = fmt::format("layer_types[{}]", layer++);
      if (type.toText(name) != "full_attention")
        fail(type.position(), "{} is {}: only \"full_attention\" is supported", name,
             type.describe());
    }
    typesDecide = family.layerTypesKey;
  }
  if (!family.slidingWindowKeys)
    return; // the keys are unknown to the family, so they earn a warning

  bool use = reader.booleanOr("use_sliding_window", false);
  constexpr int64_t largest = std::numeric_limits<int64_t>::max();
  int64_t absentWindow = reader.object().find("sliding_window") ? 0 : 4096; // null: none
  int64_t window = reader.integerOr("sliding_window", absentWindow, 0, largest);
  int64_t firstLayer = reader.integerOr("max_window_layers", 28, 0, largest);
  if (!family.layerTypesKey)
    firstLayer = 0;
  bool effective =
      use && window > 0 && window < spec.maxPositionEmbeddings && firstLayer < spec.numHiddenLayers;
  if (effective && !typesDecide)
    fail(reader.position("use_sliding_window"),
         "use_sliding_window is true, so that layers {} to {} attend to the last {} tokens only: "
         "sliding "
         "windows are not supported",
         firstLayer, spec.numHiddenLayers - 1, window);
}

// --- experts

void resolveMoe(ConfigReader &reader) {
  ModelSpec &spec = reader.spec();
  MoeSpec moe;
  std::optional<SpelledValue> experts =
      findEitherSpelling(reader, "num_experts", "num_local_experts");
  if (!experts)
    fail(reader.object().position(),
         "num_experts is missing (num_local_experts in transformers 5); it must be given");
  moe.numExperts = experts->value.toInteger(experts->key, 0, ConfigCaps::experts);
  reader.recordOrigin("num_experts", experts->value);
  moe.numExpertsPerTok = reader.integer("num_experts_per_tok", 1, ConfigCaps::expertsPerToken);
  moe.moeIntermediateSize = reader.integer("moe_intermediate_size", 1, ConfigCaps::size);
  moe.normTopkProb = reader.booleanOr("norm_topk_prob", false);
  moe.decoderSparseStep =
      reader.integerOr("decoder_sparse_step", 1, 1, std::numeric_limits<int32_t>::max());

  if (std::optional<JsonValue> layers = reader.find("mlp_only_layers")) {
    if (!layers->isArray())
      layers->failExpected("mlp_only_layers", "an array of layer numbers");
    std::set<int64_t> dense;
    for (const JsonValue &layer : layers->elements()) {
      int64_t index = layer.toInteger("mlp_only_layers", 0, std::numeric_limits<int32_t>::max());
      if (index < spec.numHiddenLayers)
        dense.insert(index);
      else
        reader.warn(layer, fmt::format("mlp_only_layers names layer {}, but the last one is {}",
                                       index, spec.numHiddenLayers - 1));
    }
    moe.mlpOnlyLayers.assign(dense.begin(), dense.end());
  }

  if (moe.numExperts == 0)
    return; // every layer is dense
  if (moe.numExpertsPerTok > moe.numExperts)
    fail(reader.position("num_experts_per_tok"), "num_experts_per_tok {} exceeds {} {}",
         moe.numExpertsPerTok, experts->key, moe.numExperts);
  spec.moe = std::move(moe);
}

// --- token ids and generation

std::optional<int64_t> resolveTokenId(ConfigReader &reader, std::string_view key,
                                      std::optional<int64_t> absent) {
  bool isThere = reader.object().find(key).has_value();
  std::optional<JsonValue> value = reader.find(key);
  if (!value)
    return isThere ? std::nullopt : absent;
  int64_t id = value->toInteger(key);
  if (id >= 0 && id < reader.spec().vocabSize)
    return id;
  reader.warn(*value, fmt::format("{} is {}, which is not in the vocabulary of {}; it is ignored",
                                  key, id, reader.spec().vocabSize));
  return std::nullopt;
}

std::optional<std::vector<int64_t>> resolveEosTokenIds(ConfigReader &reader) {
  std::optional<JsonValue> value = reader.find("eos_token_id");
  if (!value)
    return std::nullopt;
  constexpr size_t most = 1024;
  if (value->size() > most || value->isObject())
    value->failExpected("eos_token_id", fmt::format("a token id or an array of at most {}", most));
  std::vector<int64_t> ids;
  int64_t last = reader.spec().vocabSize - 1;
  for (const JsonValue &element : value->isArray() ? value->elements() : std::vector{*value}) {
    int64_t id = element.toInteger("eos_token_id", 0, last);
    if (std::find(ids.begin(), ids.end(), id) == ids.end())
      ids.push_back(id);
  }
  return ids;
}

void resolveGenerationConfig(ConfigReader &reader) {
  ModelSpec &spec = reader.spec();
  if (!reader.object().isObject())
    reader.object().failExpected("the file", "an object");
  if (auto ids = resolveEosTokenIds(reader))
    spec.eosTokenIds = std::move(*ids);
  spec.bosTokenId = resolveTokenId(reader, "bos_token_id", spec.bosTokenId);
  spec.padTokenId = resolveTokenId(reader, "pad_token_id", spec.padTokenId);

  GenerationDefaults &generation = spec.generation;
  auto number = [&](std::string_view key, double minimum, double maximum) -> std::optional<double> {
    if (std::optional<JsonValue> value = reader.find(key))
      return numberInRange(*value, key, minimum, maximum);
    return std::nullopt;
  };
  if (std::optional<JsonValue> value = reader.find("do_sample"))
    generation.doSample = value->toBoolean("do_sample");
  generation.temperature = number("temperature", 0, 1000);
  if (std::optional<JsonValue> value = reader.find("top_k"))
    generation.topK = value->toInteger("top_k", 0, std::numeric_limits<int32_t>::max());
  generation.topP = number("top_p", 0, 1);
  generation.repetitionPenalty = number("repetition_penalty", 0.001, 1000);

  reader.visitUnread([&](const JsonValue &key, const JsonValue &value) {
    std::string_view name = key.toText("key");
    if (isIgnoredSamplingKey(name, value))
      reader.warn(key,
                  fmt::format("{} is {}; it is not supported and ignored", name, value.describe()));
  });
}

} // namespace vinci
