#include "tools/vinci/model_source.h"
#include "runtime/support/error.h"
#include "tools/vinci/compiler_library.h"
#include "tools/vinci/plan_cache.h"
#include "tools/vinci/resources.h"

#include <chrono>
#include <fmt/ranges.h>
#include <fstream>

namespace vinci {
namespace fs = std::filesystem;

static bool startsAsPlan(const fs::path &path) {
  std::array<char, planMagic.size()> start = {};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  return start == planMagic;
}

static bool isModelFile(const fs::path &path) {
  static constexpr const char *endings[] = {".json", ".yaml", ".yml", ".sh", ".env"};
  return std::find(std::begin(endings), std::end(endings), path.extension()) != std::end(endings);
}

fs::path Source::directory() const {
  std::error_code error;
  return fs::is_directory(path, error) ? path : folderOf(path);
}

Source findSource(const std::string &argument) {
  const std::string name = argument.empty() ? defaultModel : argument;
  const fs::path path = name;
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (!path.has_parent_path() &&
        fs::exists(shippedModelsDirectory() / name / "config.json", error))
      return {SourceKind::Model, shippedModelsDirectory() / name};
    fail(SourcePosition{name},
         "there is no such file or folder, and no model of that name ships with Vinci (those are: "
         "{})",
         fmt::join(shippedModels(), ", "));
  }
  if (fs::is_directory(path, error))
    return {SourceKind::Model, path};
  if (path.filename() == "config.json")
    return {SourceKind::Model, folderOf(path)};
  if (isModelFile(path))
    return {SourceKind::Model, path};
  if (path.extension() == ".mlir" || path.extension() == ".mlirbc")
    return {SourceKind::Ir, path};
  if (startsAsPlan(path) || path.extension() == ".plan")
    return {SourceKind::Plan, path};
  fail(SourcePosition{name},
       "this is neither a model directory, nor a plan, nor IR (a plan starts with "
       "'VINCIPLN', IR ends in .mlir or .mlirbc)");
}

fs::path findTokenizerDirectory(const std::string &argument) {
  const Source source = findSource(argument);
  if (source.kind != SourceKind::Model)
    fail(SourcePosition{source.path.string()},
         "a folder with a tokenizer (tokenizer.json, or vocab.json and merges.txt) is expected");
  return source.directory();
}

bool hasWeights(const fs::path &directory) {
  for (const auto &entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".safetensors" || name.ends_with(".safetensors.index.json") ||
        name == "param_name_map.json")
      return true;
  }
  return false;
}

static ReadyPlan prepareFinishedPlan(const fs::path &path, const std::string &modelOption,
                                     const CompileFlags &flags) {
  if (flags.any())
    fail(SourcePosition{path.string()},
         "this plan is compiled already; compile options go with a model directory");
  Plan plan = Plan::open(path);
  fs::path cache = flags.noCache ? fs::path() : cacheDirectory();
  if (!modelOption.empty()) {
    const Source model = findSource(modelOption);
    if (model.kind != SourceKind::Model)
      fail(SourcePosition{model.path.string()},
           "--model takes the folder of the plan's weights and tokenizer");
    return {std::move(plan), model.directory(), cache};
  }
  const auto model = PlanCache(cacheDirectory()).findModel(plan);
  if (!model)
    fail(SourcePosition{path.string()},
         "the weights of this plan are not known here; pass the model's folder with --model DIR");
  return {std::move(plan), *model, cache};
}

static ReadyPlan compileModel(const Source &source, const CompileFlags &flags) {
  const CompileOptions options = toCompileOptions(flags);
  const ImportRequest request = toImportRequest(source.path, flags);
  const fs::path directory = source.directory();
  DeploymentSpec deployment;
  auto compileNow = [&] {
    const auto start = std::chrono::steady_clock::now();
    CompileResult result = compiler().compile(request, options);
    for (const std::string &warning : result.warnings)
      fmt::print(stderr, "{}\n", warning);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print(stderr, "compiled {} in {:.2f} s\n", source.path.string(), seconds.count());
    deployment = std::move(result.deployment);
    return std::move(result.plan);
  };
  if (flags.noCache) {
    Plan plan = Plan::parse(compileNow(), directory.string());
    return {std::move(plan), directory, {}, std::move(deployment)};
  }

  const PlanCache cache(cacheDirectory());
  const std::string key = PlanCache::key(request, options);
  if (auto settings = cache.findSettings(key)) {
    if (auto plan = cache.find(key)) {
      fmt::print(stderr, "using the plan compiled before, {}\n", plan->name());
      return {std::move(*plan), directory, cache.directory(), std::move(*settings)};
    }
  }
  std::vector<std::byte> bytes = compileNow();
  try {
    Plan plan = cache.store(key, bytes, deployment);
    return {std::move(plan), directory, cache.directory(), std::move(deployment)};
  } catch (const Error &error) {
    fmt::print(stderr, "warning: the compiled plan is not cached: {}\n", error.what());
    return {
        Plan::parse(std::move(bytes), directory.string()), directory, {}, std::move(deployment)};
  }
}

ReadyPlan preparePlan(const std::string &argument, const std::string &modelOption,
                      const CompileFlags &flags) {
  const Source source = findSource(argument);
  switch (source.kind) {
  case SourceKind::Plan:
    return prepareFinishedPlan(source.path, modelOption, flags);
  case SourceKind::Model:
    if (!modelOption.empty())
      fail("--model {} goes with a plan; {} is a model directory itself", modelOption,
           source.path.string());
    return compileModel(source, flags);
  case SourceKind::Ir:
    fail(SourcePosition{source.path.string()},
         "IR cannot be run; run the model directory it was made from, or a plan");
  }
  failInternal("unknown kind of source");
}

} // namespace vinci
