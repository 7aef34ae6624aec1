#include "tools/vinci/plan_cache.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/plan/atomic_file.h"
#include "runtime/support/error.h"
#include "tools/vinci/compile_options.h"
#include "tools/vinci/resources.h"
#include "tools/vinci/run_settings.h"

#include <fmt/ranges.h>
#include <fstream>
#include <sstream>

namespace vinci {
namespace fs = std::filesystem;

static uint64_t hashOfFile(const fs::path &path) {
  return hashBytes(MappedFile::open(path).bytes());
}

static uint64_t hashOfText(std::string_view text) {
  return hashBytes(std::as_bytes(std::span(text.data(), text.size())));
}

/// Every file of the folder that importing may read, in order.
static std::vector<fs::path> configFiles(const fs::path &directory) {
  std::vector<fs::path> files;
  for (const auto &entry : fs::directory_iterator(directory)) {
    const std::string ending = entry.path().extension().string();
    const bool config = ending == ".json" || ending == ".yaml" || ending == ".yml" ||
                        ending == ".sh" || ending == ".env";
    // Reference outputs and held-out text say nothing of the model.
    const std::string name = entry.path().filename().string();
    if (config && entry.is_regular_file() && name != "golden.json" && name != "validation_ids.json")
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string PlanCache::key(const ImportRequest &request, const CompileOptions &options) {
  const fs::path &model = request.files.front();
  const bool isDirectory = fs::is_directory(model);
  std::string text = canonicalText(request, options);
  if (!isDirectory)
    text += fmt::format(" file={}", model.filename().string());
  if (options.cpu == "native")
    text += fmt::format(" host={}", fmt::join(hostFeatures(), ","));
  for (const fs::path &file : configFiles(isDirectory ? model : folderOf(model)))
    text += fmt::format(" {}={:016x}", file.filename().string(), hashOfFile(file));
  // A rebuilt compiler may compile differently: its own bytes are part of the key.
  text += fmt::format(" compiler={:016x}", hashOfFile(executableDirectory().parent_path() / "lib" /
                                                      "libvinci-compiler.so"));
  return fmt::format("{:016x}", hashOfText(text));
}

std::optional<Plan> PlanCache::find(const std::string &key) const {
  const fs::path path = directory_ / "plans" / (key + ".plan");
  std::error_code error;
  if (!fs::exists(path, error))
    return std::nullopt;
  try {
    return Plan::open(path);
  } catch (const Error &damaged) {
    fmt::print(stderr, "warning: compiling again, the cached plan is damaged: {}\n",
               damaged.what());
    return std::nullopt;
  }
}

std::optional<DeploymentSpec> PlanCache::findSettings(const std::string &key) const {
  const fs::path path = directory_ / "plans" / (key + ".json");
  std::error_code error;
  if (!fs::exists(path, error))
    return std::nullopt;
  try {
    return readRunSettings(path);
  } catch (const Error &) { // damaged: compiled again
    return std::nullopt;
  }
}

Plan PlanCache::store(const std::string &key, const std::vector<std::byte> &plan,
                      const DeploymentSpec &deployment) const {
  const fs::path path = directory_ / "plans" / (key + ".plan");
  const std::string settings = writeRunSettings(deployment);
  writeFile(directory_ / "plans" / (key + ".json"), std::as_bytes(std::span(settings)));
  writeFile(path, plan);
  return Plan::open(path);
}

void PlanCache::rememberModel(const Plan &plan, const fs::path &modelDirectory) const {
  const std::string text = fs::absolute(modelDirectory).lexically_normal().string();
  writeFile(directory_ / "models" / fmt::format("{:016x}", hashBytes(plan.bytes())),
            std::as_bytes(std::span(text.data(), text.size())));
}

std::optional<fs::path> PlanCache::findModel(const Plan &plan) const {
  std::ifstream file(directory_ / "models" / fmt::format("{:016x}", hashBytes(plan.bytes())));
  std::stringstream text;
  text << file.rdbuf();
  std::error_code error;
  if (!file || !fs::is_directory(text.str(), error))
    return std::nullopt;
  return fs::path(text.str());
}

void writeFile(const fs::path &path, std::span<const std::byte> bytes) {
  std::error_code error;
  if (path.has_parent_path())
    fs::create_directories(path.parent_path(), error);
  if (error)
    fail(SourcePosition{path.string()}, "cannot create the folder {}: {}",
         path.parent_path().string(), error.message());
  writeFileAtomically(path, bytes);
}

} // namespace vinci
