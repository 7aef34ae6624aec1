// The cache of compiled plans: `<cache>/plans/<key>.plan`, keyed by what went into the plan, never
// by time or place.
//
// `<key>.json` beside it holds the settings of the deployment that a run's clock needs.
//
// Entries are written to a temporary file and renamed, so concurrent users see whole plans or none.
// Beside them,
// `<cache>/models/<hash of the plan>` holds the model directory a plan was compiled from: that is
// how `run PLAN` finds the weights of a plan it is given alone.
#pragma once

#include "runtime/plan/plan.h"
#include "tools/compiler/compiler.h"

#include <filesystem>
#include <optional>
#include <string>

namespace vinci {

class PlanCache {
public:
  explicit PlanCache(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// The key of compiling `request` (one file or folder) with `options` on this machine with this
  /// build of the compiler: a hash of the contents of the configs in the model's folder, of the
  /// options with `native` resolved, and of the compiler library.
  static std::string key(const ImportRequest &request, const CompileOptions &options);

  /// The plan under `key`; nullopt if there is none or if it does not verify (then it is as if it
  /// were not there).
  std::optional<Plan> find(const std::string &key) const;

  /// The settings that were stored with it (run_settings.h); nullopt likewise.
  std::optional<DeploymentSpec> findSettings(const std::string &key) const;

  /// Stores a plan under `key`, with the settings of how it is run, and returns it as read back.
  Plan store(const std::string &key, const std::vector<std::byte> &plan,
             const DeploymentSpec &deployment) const;

  /// Remembers that `plan` was compiled from `modelDirectory`.
  void rememberModel(const Plan &plan, const std::filesystem::path &modelDirectory) const;
  /// The directory that rememberModel was told, if it is still there.
  std::optional<std::filesystem::path> findModel(const Plan &plan) const;

  const std::filesystem::path &directory() const { return directory_; }

private:
  std::filesystem::path directory_;
};

/// Writes a whole file under its name or nothing; creates missing folders. Throws Error naming the
/// path.
void writeFile(const std::filesystem::path &path, std::span<const std::byte> bytes);

} // namespace vinci
