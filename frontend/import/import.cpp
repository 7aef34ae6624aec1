#include "frontend/import/import.h"
#include "frontend/huggingface/config.h"
#include "frontend/import/finish.h"
#include "frontend/import/overrides.h"
#include "frontend/launch/script.h"
#include "frontend/launch/serve.h"
#include "frontend/mindformers/predict_yaml.h"
#include "frontend/mindie/config_json.h"
#include "frontend/quantization.h"
#include "frontend/recipe/recipe_yaml.h"
#include "frontend/settings/deployment_json.h"
#include "runtime/support/yaml.h"

#include <algorithm>

namespace vinci {
namespace fs = std::filesystem;

namespace {

/// A file is read once its kind is known; models first, because all others are held against them.
struct Source {
  enum Kind { Model, Document } kind;
  fs::path path;                        ///< Model: the directory or config.json
  std::optional<JsonDocument> document; ///< Document
  void (*read)(Import &, const JsonDocument &) = nullptr;
};

/// How a document is recognised and read; the first that fits reads it.
struct Format {
  bool (*fits)(const JsonValue &root);
  void (*read)(Import &import, const JsonDocument &document);
};

/// A description beside its config.json is read with it; alone it has no layers to speak of.
void readQuantDescription(Import &import, const JsonDocument &document) {
  const SourcePosition place = document.root().position();
  import.findings.add(FindingKind::Note, place,
                      "tensors by scheme: {}; which layers these are takes the model's config.json",
                      summarizeQuantDescription(document.root()));
  assignText(import, settingRule("weights.quantization"), "ascend", place, Authority::Config);
}

constexpr Format formats[] = {
    {looksLikeDeploymentJson, readDeploymentJson},
    {looksLikePredictYaml, readPredictYaml},
    {looksLikeRecipeYaml, readRecipeYaml},
    {looksLikeMindieConfig, readMindieConfig},
    {looksLikeServe, readServe},
    {looksLikeQuantDescription, readQuantDescription},
};

constexpr size_t largestText = size_t(1) << 20; // of YAML and scripts
constexpr JsonLimits fileLimits{.maxBytes = size_t(64) << 20, .maxValues = size_t(1) << 22};

constexpr std::string_view knownKinds =
    "it reads config.json of Hugging Face and of MindIE, MindFormers and recipe YAML, serve "
    "flags, launch scripts, environment files and deployment.json";

const Format &formatOf(const JsonValue &root, const std::string &name) {
  const auto format = std::ranges::find_if(formats, [&](const Format &f) { return f.fits(root); });
  if (format == std::end(formats))
    fail(SourcePosition{name}, "this is no kind of file that Vinci knows; {}", knownKinds);
  return *format;
}

JsonDocument parseByEnding(std::string text, const std::string &name, Findings &findings) {
  const std::string ending = fs::path(name).extension().string();
  if (ending == ".json")
    return JsonDocument::parse(std::move(text), name, fileLimits);
  if (ending == ".yaml" || ending == ".yml")
    return parseYaml(std::move(text), name);
  return parseLaunchScript(std::move(text), name, findings);
}

bool looksLikeHuggingFace(const JsonValue &root) {
  return root.find("model_type") || root.find("architectures");
}

class Sources {
public:
  explicit Sources(Import &import) : import_(import) {}

  void add(const fs::path &path) {
    std::error_code error;
    if (!fs::exists(path, error))
      fail(SourcePosition{path.string()}, "there is no such file or folder");
    if (fs::is_directory(path, error))
      return addDirectory(path);
    addFile(path);
  }

  /// A file that only says how a model is run stands beside the model's config.json.
  void addModelBeside() {
    for (const Source &source : list_)
      if (source.kind == Source::Model)
        return;
    for (const Source &source : list_) {
      const fs::path folder = source.path.has_parent_path() ? source.path.parent_path() : ".";
      const fs::path config = folder / "config.json";
      std::error_code error;
      if (!fs::is_regular_file(config, error) || config == source.path)
        continue;
      if (looksLikeHuggingFace(JsonDocument::read(config, fileLimits).root())) {
        list_.push_back({Source::Model, config, std::nullopt});
        return;
      }
    }
  }

  void readAll(std::optional<ModelSpec> &model) {
    auto models = std::stable_partition(list_.begin(), list_.end(),
                                        [](const Source &s) { return s.kind == Source::Model; });
    if (models - list_.begin() > 1)
      fail(SourcePosition{list_[1].path.string()}, "this is a second model, beside {}",
           list_[0].path.string());
    for (Source &source : list_) {
      if (source.kind == Source::Document) {
        source.read(import_, *source.document);
        continue;
      }
      model = readHuggingFaceConfig(source.path);
      for (const Warning &warning : model->warnings)
        import_.findings.add(FindingKind::Unknown, warning.position, warning.message);
      const bool directory = fs::is_directory(source.path);
      import_.resolved.model =
          toSettings(*model, (directory ? source.path : source.path.parent_path()).string());
    }
  }

private:
  void addDirectory(const fs::path &directory) {
    std::error_code error;
    const bool config = fs::exists(directory / "config.json", error);
    const bool deployment = fs::exists(directory / "deployment.json", error);
    if (!config && !deployment)
      fail(SourcePosition{directory.string()},
           "the directory has neither config.json nor deployment.json");
    if (config)
      list_.push_back({Source::Model, directory, std::nullopt});
    if (deployment)
      addFile(directory / "deployment.json");
  }

  /// `deployment` is the deployment.json that names the file; empty: the user does.
  void addFile(const fs::path &path, const fs::path &deployment = {}) {
    const size_t most = path.extension() == ".json" ? fileLimits.maxBytes : largestText;
    JsonDocument document =
        parseByEnding(readTextFile(path, most), path.string(), import_.findings);
    const JsonValue root = document.root();
    if (looksLikeHuggingFace(root)) {
      list_.push_back({Source::Model, path, std::nullopt});
      return;
    }
    const Format &format = formatOf(root, path.string());
    if (looksLikeDeploymentJson(root)) {
      if (!deployment.empty())
        fail(SourcePosition{deployment.string()},
             "from names another deployment, {}; name the files that it names", path.string());
      for (const std::string &name : deploymentSources(root))
        addFile(path.parent_path() / name, path);
    }
    list_.push_back({Source::Document, path, std::move(document), format.read});
  }

  Import &import_;
  std::vector<Source> list_;
};

} // namespace

/// What of a deployment goes with the model to wherever it generates.
static void addDeployment(const DeploymentSpec &deployment, GenerationDefaults &generation) {
  generation.chatTemplate = deployment.tokenizer.chatTemplate.value;
  generation.prompts = deployment.workload.prompts.valueOr({});
  generation.maxTokens = deployment.workload.maxTokens.value;
  generation.inputTokens = deployment.workload.inputTokens.value;
  generation.outputTokens = deployment.workload.outputTokens.value;
  generation.requests = deployment.workload.requests.value;
  generation.concurrency = deployment.workload.concurrency.value;
}

Imported importFiles(const ImportRequest &request) {
  Imported imported;
  Sources sources(imported);
  for (const fs::path &file : request.files)
    sources.add(file);
  sources.addModelBeside();
  std::optional<ModelSpec> config;
  sources.readAll(config);
  if (!request.serveFlags.empty())
    readServe(imported,
              parseServeCommand(request.serveFlags, "--from-vllm-args", imported.findings));
  if (!request.target.empty())
    imported.resolved.deployment.target = {request.target, SourcePosition{"--target"},
                                           Authority::Deployment};
  applyOverrides(imported, request.overrides);
  // Before anything is derived: a model that is not consistent is an error of its own.
  imported.model = toModelSpec(imported.resolved.model);
  finishImport(imported);
  if (imported.model)
    addDeployment(imported.resolved.deployment, imported.model->generation);
  if (imported.model && config)
    imported.model->origins.merge(config->origins);
  if (request.strict)
    imported.findings.refuseContradictions();
  return imported;
}

Imported importText(std::string text, const std::string &name) {
  Imported imported;
  const JsonDocument document = parseByEnding(std::move(text), name, imported.findings);
  formatOf(document.root(), name).read(imported, document);
  imported.model = toModelSpec(imported.resolved.model);
  finishImport(imported);
  return imported;
}

const ModelSpec &requireModel(const Imported &imported, const ImportRequest &request) {
  if (imported.model)
    return *imported.model;
  const SourcePosition place{request.files.empty() ? "" : request.files.front().string()};
  const Setting<std::string> &directory = imported.resolved.deployment.weights.directory;
  if (directory)
    fail(place,
         "this says how to run a model, not what it is; {} names {}, which is not here: give the "
         "model's folder, too",
         toString(directory.origin), quoteForMessage(*directory));
  fail(place, "this says how to run a model, not what it is: give the model's folder, too");
}

} // namespace vinci
