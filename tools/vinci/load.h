// From a ready plan to a loaded model, with progress on stderr: what `run` and `eval` have in
// common.
#pragma once

#include "runtime/exec/loaded_model.h"
#include "tools/vinci/model_source.h"

#include <memory>
#include <optional>

namespace vinci {

/// Adds --model, --threads and, for debugging and not in the help, --poison.
struct LoadFlags {
  std::string model; ///< --model DIR
  bool poison = false;
  bool randomWeights = false; ///< made-up ones in place of files
  std::optional<int64_t> threads;
};
void addLoadFlags(CLI::App &command, LoadFlags &flags);

/// Throws Error for a number of threads that cannot be.
void checkLoadFlags(const LoadFlags &flags);

/// Packs the weights (or makes them up, or reads the packs of an earlier start, or those that are
/// in the model's folder: `vinci pack`), links the kernels and binds everything. `countExperts`
/// makes LoadedModel::expertsHit work.
std::unique_ptr<LoadedModel> load(ReadyPlan ready, const LoadFlags &flags,
                                  bool countExperts = false);

} // namespace vinci
