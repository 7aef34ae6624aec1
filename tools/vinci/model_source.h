// What MODEL and PLAN on the command line stand for, resolved to a verified plan and the folder of
// its weights.
#pragma once

#include "frontend/deployment_spec.h"
#include "runtime/plan/plan.h"
#include "tools/vinci/compile_options.h"

#include <filesystem>
#include <optional>
#include <string>

namespace vinci {

/// What kind of thing a path on the command line is.
enum class SourceKind { Model, Plan, Ir };

struct Source {
  SourceKind kind = SourceKind::Model;
  /// The plan or IR file, or the model's directory, or the file that describes it.
  std::filesystem::path path;

  /// Where the weights of a model are: its directory, or that of its file.
  std::filesystem::path directory() const;
};

/// Recognises a plan by its magic, IR by its ending (.mlir, .mlirbc), a model by its folder or by
/// the ending of the file that describes it (.json, .yaml, .yml, .sh, .env); a name without a path
/// may be a model that ships with Vinci; empty is the default model. Throws Error if it is none of
/// these.
Source findSource(const std::string &argument);

/// The folder that `argument` names, for commands that need only a tokenizer. Throws Error if there
/// is none.
std::filesystem::path findTokenizerDirectory(const std::string &argument);

/// True if the folder holds anything that looks like a checkpoint.
bool hasWeights(const std::filesystem::path &directory);

/// A plan that is ready to load.
struct ReadyPlan {
  Plan plan;
  std::filesystem::path modelDirectory; ///< where weights and tokenizer are
  std::filesystem::path cacheDirectory; ///< empty: do not cache packed weights
  /// What the clock needs of how the model is run (run_settings.h); nothing for a finished plan.
  DeploymentSpec deployment = {};
};

/// Opens the plan, or compiles the model into the cache, saying so on stderr. `modelOption` is
/// --model DIR or empty. Throws Error if a plan's weights cannot be found, or if compile options
/// are given with a finished plan.
ReadyPlan preparePlan(const std::string &argument, const std::string &modelOption,
                      const CompileFlags &flags);

} // namespace vinci
