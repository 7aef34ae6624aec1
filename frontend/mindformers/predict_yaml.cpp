#include "frontend/mindformers/predict_yaml.h"
#include "frontend/huggingface/config_reader.h"
#include "frontend/mindformers/predict_keys.h"

#include <algorithm>
#include <charconv>

namespace vinci {

namespace {

constexpr Authority authority = Authority::ModelFile;
constexpr std::string_view format = "a MindFormers YAML";

/// Degrees of parallelism. World, embedding and head follow from them where all files are read.
struct DegreeReader {
  KeyReader &reader;
  const JsonValue &root;

  int64_t degree(const std::optional<JsonValue> &value, std::string_view key) const {
    return value ? value->toInteger(key, 1, 65536) : 1;
  }

  void read(const JsonDocument &document) const {
    const auto dataParallel = findAt(root, "parallel_config.data_parallel");
    const auto modelParallel = findAt(root, "parallel_config.model_parallel");
    const auto expertParallel = findAt(root, "parallel_config.expert_parallel");
    const auto stages = findAt(root, "parallel_config.pipeline_stage");
    int64_t dp = degree(dataParallel, "data_parallel"),
            mp = degree(modelParallel, "model_parallel");
    int64_t ep = degree(expertParallel, "expert_parallel");
    int64_t pp = degree(stages, "pipeline_stage");
    if (dp * mp * pp > 65536)
      fail(findAt(root, "parallel_config")->position(),
           "data_parallel * model_parallel * pipeline_stage is {}; at most 65536 is expected",
           dp * mp * pp);
    if (dp * mp % ep != 0)
      fail(expertParallel->position(),
           "expert_parallel is {}; a divisor of data_parallel * model_parallel, {}, is expected",
           ep, dp * mp);
    compareWithComment(document, dp * mp * pp);
    const auto parallel = findAt(root, "use_parallel");
    const bool single = parallel && !parallel->toBoolean("use_parallel") && dp * mp * pp > 1;
    if (single) {
      reader.report(FindingKind::Contradiction, *parallel,
                    "use_parallel is false, but data_parallel * model_parallel * pipeline_stage "
                    "is {}; one rank is used",
                    dp * mp * pp);
      dp = mp = ep = pp = 1;
    }
    const auto put = [&](std::string_view setting, const std::optional<JsonValue> &value,
                         std::string_view key, int64_t degree) {
      if (value)
        reader.assignMeaning(setting, single ? *parallel : *value, key, degree);
    };
    put("parallel.attn_dp", dataParallel, "data_parallel", dp);
    put("parallel.attn_tp", modelParallel, "model_parallel", mp);
    put("parallel.moe_tp", modelParallel, "model_parallel", dp * mp / ep);
    put("parallel.moe_ep", expertParallel, "expert_parallel", ep);
    put("parallel.pipeline_stages", stages, "pipeline_stage", pp);
  }

  /// Files are copied from machines of eight devices with their comments: "device num = 8".
  void compareWithComment(const JsonDocument &document, int64_t ranks) const {
    constexpr std::string_view phrase = "device num", blank = " \t";
    const std::string_view text = document.text();
    uint32_t line = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view rest = text.substr(begin, end - begin);
      const size_t hash = rest.find_first_not_of(blank);
      begin = end + 1;
      ++line;
      const size_t found = rest.find(phrase);
      if (hash == std::string_view::npos || rest[hash] != '#' || found == std::string_view::npos)
        continue;
      rest.remove_prefix(found + phrase.size());
      rest.remove_prefix(std::min(rest.find_first_not_of(blank), rest.size()));
      if (!rest.starts_with('='))
        continue;
      rest.remove_prefix(1);
      rest.remove_prefix(std::min(rest.find_first_not_of(blank), rest.size()));
      int64_t devices = 0;
      const auto [last, error] = std::from_chars(rest.data(), rest.data() + rest.size(), devices);
      if (error == std::errc() && devices != ranks)
        reader.import().findings.add(
            FindingKind::Contradiction, {document.fileName(), line, uint32_t(hash + 1)},
            "the comment says device num = {}, but data_parallel * model_parallel * "
            "pipeline_stage is {}; {} is used",
            devices, ranks, ranks);
    }
  }
};

/// The folder of the weights; "" is as good as absent.
void readDirectory(KeyReader &reader, const JsonValue &root) {
  std::optional<JsonValue> directory;
  std::string_view directoryKey;
  for (std::string_view path :
       {"load_checkpoint", "model.model_config.checkpoint_name_or_path", "pretrained_model_dir"}) {
    const std::string_view key = path.substr(path.rfind('.') + 1);
    const auto value = findAt(root, path);
    if (!value || value->toText(key).empty())
      continue;
    if (!directory) {
      directory = value;
      directoryKey = key;
    } else if (key == "checkpoint_name_or_path" && value->toText(key) != directory->toText(key)) {
      reader.report(FindingKind::Contradiction, *value,
                    "{} is {}, but {} is {}; the latter is used", key, value->describe(),
                    directoryKey, directory->describe());
    }
  }
  if (directory)
    reader.assign("weights.directory", *directory, directoryKey);
}

/// The rotary table has max_position_embeddings rows, or as many as seq_length says.
void readSequenceLength(KeyReader &reader, const JsonValue &network) {
  const auto length = findAt(network, "seq_length");
  if (!length)
    return;
  const int64_t tokens = length->toInteger("seq_length", 1, ConfigCaps::positions);
  auto positions = findAt(network, "max_position_embeddings");
  if (!positions)
    positions = findAt(network, "max_position_embedding");
  if (!positions)
    reader.assign("model.max_position_embeddings", *length, "seq_length");
  else if (tokens != positions->toInteger("max_position_embeddings"))
    reader.report(FindingKind::Contradiction, *length,
                  "seq_length is {}, but max_position_embeddings is {}; the latter is used", tokens,
                  positions->describe());
}

/// LlamaForCausalLM has one switch for both fused projections, ParallelQwenForCausalLM two.
void readFusedProjections(KeyReader &reader, const JsonValue &root) {
  const auto ffn = findAt(root, "model.model_config.ffn_concat");
  const auto qkv = findAt(root, "model.model_config.qkv_concat");
  const auto networkClass = findAt(root, "model.arch.type");
  if (ffn)
    ffn->toBoolean("ffn_concat");
  const bool follows =
      qkv && networkClass && networkClass->toText("arch.type") == "LlamaForCausalLM";
  if (!follows) {
    if (ffn)
      reader.assign("weights.ffn_concat", *ffn, "ffn_concat");
    return;
  }
  const bool fused = qkv->toBoolean("qkv_concat");
  if (ffn && ffn->toBoolean("ffn_concat") != fused)
    reader.report(FindingKind::Contradiction, *ffn,
                  "ffn_concat is {}, but in LlamaForCausalLM it follows qkv_concat, which is {}; "
                  "the latter is used",
                  ffn->describe(), qkv->describe());
  else if (!ffn && fused)
    reader.report(FindingKind::Note, *qkv,
                  "ffn_concat is not given; in LlamaForCausalLM it follows qkv_concat, so gate and "
                  "up are one projection, too");
  reader.assignMeaning("weights.ffn_concat", *qkv, "ffn_concat", fused);
}

/// The older files describe the network; what they leave out has LlamaConfig's defaults.
void readNetwork(KeyReader &reader, const JsonValue &root) {
  const JsonValue network = requireAt(root, "model.model_config", "the network");
  const JsonValue type = requireAt(network, "type", "LlamaConfig");
  for (std::string_view size :
       {"hidden_size", "intermediate_size", "num_layers", "num_heads", "vocab_size"}) {
    const std::string newer = size == "num_layers"  ? "num_hidden_layers"
                              : size == "num_heads" ? "num_attention_heads"
                                                    : std::string(size);
    if (!findAt(network, newer))
      requireAt(network, size, "an integer");
  }
  const auto bias = findAt(network, "qkv_has_bias");
  const bool hasBias = bias && bias->toBoolean("qkv_has_bias");
  reader.assignMeaning("model.architecture", hasBias ? *bias : type, "architecture",
                       std::string(hasBias ? "qwen2" : "llama"));

  ModelSettings &model = reader.import().resolved.model;
  Findings &findings = reader.import().findings;
  const SourcePosition byDefault{"default of LlamaConfig"};
  settle(findings, "rms_norm_eps", model.rmsNormEps, 1e-5, byDefault, Authority::Default);
  settle(findings, "rope_theta", model.ropeTheta, 10000.0, byDefault, Authority::Default);
  const auto &parameters = reader.import().resolved.deployment.precision.parameters;
  if (!model.dtype && parameters)
    model.dtype = {*parameters, {"derived from precision.parameters"}, Authority::Default};
}

} // namespace

bool looksLikePredictYaml(const JsonValue &root) {
  return findAt(root, "model.model_config") ||
         (root.find("run_mode") && (root.find("trainer") || root.find("parallel_config")));
}

void readPredictYaml(Import &import, const JsonDocument &document) {
  const JsonValue root = document.root();
  KeyReader reader(import, format, authority);
  requireAgreement(root, predictSpellings());
  reader.read(root, predictKeys());
  requireAt(root, "run_mode", "predict");

  DegreeReader{reader, root}.read(document);
  readDirectory(reader, root);
  if (const auto network = findAt(root, "model.model_config"))
    readSequenceLength(reader, *network);
  readFusedProjections(reader, root);
  const auto legacy = findAt(root, "use_legacy");
  if (!legacy || legacy->toBoolean("use_legacy")) {
    readNetwork(reader, root);
    return;
  }
  const JsonValue directory =
      requireAt(root, "pretrained_model_dir", "the folder of the model's config.json");
  if (!import.resolved.model.architecture)
    reader.report(FindingKind::Note, directory,
                  "the network is described by the config.json of pretrained_model_dir, {}",
                  directory.describe());
}

} // namespace vinci
