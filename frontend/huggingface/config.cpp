#include "frontend/huggingface/config.h"
#include "frontend/checkpoint_weights.h"
#include "frontend/huggingface/config_parts.h"
#include "frontend/huggingface/known_keys.h"

#include <tuple>

namespace vinci {

namespace fs = std::filesystem;

static constexpr size_t largestFile = size_t(4) << 20;

/// model_type decides; `architectures` must agree, and decides alone where model_type is missing.
static const Family &resolveFamily(ConfigReader &reader) {
  const Family *family = nullptr;
  if (std::optional<JsonValue> type = reader.find("model_type")) {
    family = findFamilyByModelType(type->toText("model_type"));
    if (!family)
      fail(type->position(), "model_type is {}; the known ones are {}",
           quoteForMessage(type->toText("model_type")), knownModelTypes());
  }
  std::optional<JsonValue> classes = reader.find("architectures");
  if (classes && !classes->isArray())
    classes->failExpected("architectures", "an array of class names");
  if (!classes || classes->size() == 0) {
    if (!family)
      fail(reader.object().position(), "model_type is missing; the known ones are {}",
           knownModelTypes());
    return *family;
  }
  for (const JsonValue &name : classes->elements()) {
    const Family *named = findFamilyByClass(name.toText("architectures"));
    if (named && (!family || family == named))
      return *named;
  }
  JsonValue first = classes->elements().front();
  if (!family)
    fail(first.position(), "architectures names {}; the known ones are {}", first.describe(),
         knownModelTypes());
  fail(first.position(), "architectures names {}; for model_type {} only {} is supported",
       first.describe(), family->modelType, family->causalLm);
}

static std::string sanitizedBasename(std::string_view path) {
  while (!path.empty() && path.back() == '/')
    path.remove_suffix(1);
  std::string name(path.substr(path.find_last_of('/') + 1).substr(0, 128));
  for (char &c : name)
    if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.'))
      c = '_';
  return name == "." || name == ".." ? "" : name;
}

static void resolveName(ConfigReader &reader, const Family &family) {
  ModelSpec &spec = reader.spec();
  if (std::optional<JsonValue> path = reader.find("_name_or_path"))
    spec.name = sanitizedBasename(path->toText("_name_or_path"));
  if (spec.name.empty())
    spec.name = fmt::format("{}-{}x{}", family.modelType, spec.numHiddenLayers, spec.hiddenSize);
}

static void resolveSizes(ConfigReader &reader, const Family &family) {
  ModelSpec &spec = reader.spec();
  spec.hiddenSize = reader.integer("hidden_size", 1, ConfigCaps::size);
  spec.numHiddenLayers = reader.integer("num_hidden_layers", 1, ConfigCaps::layers);
  spec.numAttentionHeads = reader.integer("num_attention_heads", 1, ConfigCaps::heads);
  spec.vocabSize = reader.integer("vocab_size", 1, ConfigCaps::vocab);
  // A mixture of experts may have no dense layer at all; transformers' default for the family is
  // 6144.
  spec.intermediateSize = family.moe
                              ? reader.integerOr("intermediate_size", 6144, 1, ConfigCaps::size)
                              : reader.integer("intermediate_size", 1, ConfigCaps::size);
  spec.maxPositionEmbeddings = reader.integerOr(
      "max_position_embeddings", family.maxPositionEmbeddings, 1, ConfigCaps::positions);
  spec.rmsNormEps = reader.numberOr("rms_norm_eps", 1e-6, 1e-30, 1);
}

static void resolveAttention(ConfigReader &reader, const Family &family) {
  ModelSpec &spec = reader.spec();
  bool keyIsThere = reader.object().find("num_key_value_heads").has_value();
  int64_t absent =
      !keyIsThere && family.numKeyValueHeads > 0 ? family.numKeyValueHeads : spec.numAttentionHeads;
  spec.numKeyValueHeads = reader.integerOr("num_key_value_heads", absent, 1, ConfigCaps::heads);
  if (spec.numAttentionHeads % spec.numKeyValueHeads != 0)
    fail(reader.position(keyIsThere ? "num_key_value_heads" : "num_attention_heads"),
         "num_attention_heads {} is not a multiple of num_key_value_heads {}{}",
         spec.numAttentionHeads, spec.numKeyValueHeads,
         keyIsThere ? "" : fmt::format(", the default of {}", family.modelType));

  bool headDimKeyIsThere = reader.object().find("head_dim").has_value();
  if (std::optional<JsonValue> value = reader.find("head_dim"))
    spec.headDim = value->toInteger("head_dim", 2, ConfigCaps::headDim);
  else if (!headDimKeyIsThere && family.headDim > 0)
    spec.headDim = family.headDim;
  else if (spec.hiddenSize % spec.numAttentionHeads == 0)
    spec.headDim = spec.hiddenSize / spec.numAttentionHeads;
  else
    fail(reader.position("num_attention_heads"),
         "hidden_size {} is not a multiple of num_attention_heads {}, and head_dim is not given",
         spec.hiddenSize, spec.numAttentionHeads);
  if (spec.headDim % 2 != 0 || spec.headDim > ConfigCaps::headDim)
    fail(reader.position("head_dim"), "head_dim is {}; an even number from 2 to {} is expected",
         spec.headDim, ConfigCaps::headDim);

  spec.qkNorm = family.qkNorm;
  if (family.bias == BiasRule::QkvAlways)
    spec.qkvBias = true;
  else
    spec.qkvBias = spec.outputBias = reader.booleanOr("attention_bias", false);
}

static void resolveDType(ConfigReader &reader) {
  std::optional<SpelledValue> dtype = findEitherSpelling(reader, "dtype", "torch_dtype");
  if (!dtype)
    return; // float32, as in transformers
  std::optional<DType> type = parseDType(dtype->value.toText(dtype->key));
  if (!type || *type == DType::Int32 || *type == DType::Int8)
    fail(dtype->value.position(), "{} is {}; float32, bfloat16 or float16 is expected", dtype->key,
         dtype->value.describe());
  reader.spec().dtype = *type;
  reader.recordOrigin("dtype", dtype->value);
}

static void checkActivation(ConfigReader &reader) {
  std::optional<JsonValue> activation = reader.find("hidden_act");
  if (!activation)
    return; // silu
  std::string_view name = activation->toText("hidden_act");
  if (name != "silu" && name != "swish") // two names of one function
    fail(activation->position(), "hidden_act is {}; only \"silu\" is supported",
         activation->describe());
}

/// Some checkpoints name their scheme in the config as well. It is for the description to say which
/// tensors are meant, so there must be one.
static void checkQuantizeKey(ConfigReader &reader, bool hasDescription) {
  std::optional<JsonValue> value = reader.find("quantize");
  if (!value)
    return;
  std::string_view scheme = value->toText("quantize");
  if (scheme.empty() || scheme == "float")
    return;
  if (scheme != "w8a8" && scheme != "w8a8_dynamic")
    fail(value->position(), "quantize is {}; \"w8a8\" and \"w8a8_dynamic\" are supported",
         value->describe());
  if (!hasDescription)
    fail(value->position(), "quantize is {}, but there is no {} beside the config",
         value->describe(), quantDescriptionFile);
}

/// What is left is harmless, refused, or unknown.
static void checkOtherKeys(ConfigReader &reader, const Family &family) {
  reader.visitUnread([&](const JsonValue &key, const JsonValue &value) {
    std::string_view name = key.toText("key");
    if (isIrrelevantKey(name) || checkMathematicalKey(name, value) || value.isNull())
      return;
    if (name == "auto_map")
      reader.warn(key, "auto_map names Python code of the checkpoint's own; it is not run");
    else
      reader.warn(key, fmt::format("{} is not a key of {} and is ignored", quoteForMessage(name),
                                   family.modelType));
  });
}

static void resolveConfig(ConfigReader &reader, bool hasQuantDescription) {
  ModelSpec &spec = reader.spec();
  if (!reader.object().isObject())
    reader.object().failExpected("the config", "an object");
  const Family &family = resolveFamily(reader);
  spec.architecture = family.architecture;
  resolveSizes(reader, family);
  resolveName(reader, family);
  resolveAttention(reader, family);
  resolveRope(reader);
  refuseSlidingWindow(reader, family);
  checkActivation(reader);
  if (family.moe)
    resolveMoe(reader);
  if (family.mlpBiasKey)
    spec.mlpBias = reader.booleanOr("mlp_bias", false);
  spec.tieWordEmbeddings = reader.booleanOr("tie_word_embeddings", false);
  resolveDType(reader);
  checkQuantizeKey(reader, hasQuantDescription);

  spec.bosTokenId = resolveTokenId(reader, "bos_token_id", family.bosTokenId);
  spec.padTokenId = resolveTokenId(reader, "pad_token_id", std::nullopt);
  if (auto ids = resolveEosTokenIds(reader))
    spec.eosTokenIds = std::move(*ids);
  else if (family.eosTokenId && !reader.object().find("eos_token_id"))
    spec.eosTokenIds = {*family.eosTokenId};

  checkOtherKeys(reader, family);
  // Every size is in its range; their products must be too, before anyone lists or allocates
  // anything.
  if (std::optional<SizeProblem> problem = findSizeProblem(spec))
    fail(problem->key.empty() ? reader.object().position() : reader.position(problem->key), "{}",
         problem->message);
  auto order = [](const Warning &warning) {
    return std::tie(warning.position.line, warning.position.column, warning.message);
  };
  std::sort(spec.warnings.begin(), spec.warnings.end(),
            [&](const Warning &a, const Warning &b) { return order(a) < order(b); });
}

ModelSpec parseHuggingFaceConfig(std::string_view configJson,
                                 std::optional<std::string_view> generationConfigJson,
                                 const std::string &fileName,
                                 std::optional<std::string> quantDescriptionJson) {
  constexpr JsonLimits limits{.maxBytes = largestFile, .maxValues = size_t(1) << 18};
  ModelSpec spec;
  JsonDocument config = JsonDocument::parse(std::string(configJson), fileName, limits);
  fs::path path(fileName);
  spec.origins[""] = {path.filename().string()};
  ConfigReader reader(config.root(), spec, path.filename().string());
  resolveConfig(reader, quantDescriptionJson.has_value());

  if (generationConfigJson) {
    const std::string generationName = "generation_config.json";
    JsonDocument generation = JsonDocument::parse(
        std::string(*generationConfigJson), (path.parent_path() / generationName).string(), limits);
    ConfigReader generationReader(generation.root(), spec, generationName);
    resolveGenerationConfig(generationReader);
  }
  if (quantDescriptionJson)
    resolveQuantDescription(spec, std::move(*quantDescriptionJson),
                            (path.parent_path() / quantDescriptionFile).string());
  return spec;
}

ModelSpec readHuggingFaceConfig(const fs::path &model) {
  std::error_code code;
  fs::file_status status = fs::status(model, code);
  if (!fs::exists(status))
    fail(SourcePosition{model.string()}, "no such model directory");
  fs::path config = fs::is_directory(status) ? model / "config.json" : model;
  if (!fs::is_directory(status) && config.extension() != ".json")
    fail(SourcePosition{model.string()}, "this is neither a model directory nor a config.json");
  if (!fs::exists(config, code))
    fail(SourcePosition{model.string()}, "the directory has no config.json");
  std::string text = readTextFile(config, largestFile);
  fs::path generation = config.parent_path() / "generation_config.json";
  std::optional<std::string> generationText;
  if (fs::exists(generation, code))
    generationText = readTextFile(generation, largestFile);
  fs::path description = config.parent_path() / quantDescriptionFile;
  std::optional<std::string> descriptionText;
  if (fs::exists(description, code))
    descriptionText = readTextFile(description, JsonLimits().maxBytes);
  return parseHuggingFaceConfig(text, generationText, config.string(), std::move(descriptionText));
}

} // namespace vinci
