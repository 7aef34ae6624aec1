// From a ready plan to a loaded model, with progress on stderr: what `run` and `eval` have in
// common.
#pragma once

#include "runtime/exec/loaded_model.h"
#include "tools/vinci/model_source.h"

#include <memory>
#include <optional>

namespace vinci {

/// Adds --model and --threads.
struct LoadFlags {
  std::string model; ///< --model DIR
  std::optional<int64_t> threads;
};
void addLoadFlags(CLI::App &command, LoadFlags &flags);

/// Throws Error for a number of threads that cannot be.
void checkLoadFlags(const LoadFlags &flags);

/// Packs the weights (or reads the packs of an earlier start, or those that are in the model's
/// folder: `vinci pack`), links the kernels and binds everything.
/// `countExperts` makes LoadedModel::expertsHit work.
std::unique_ptr<LoadedModel> load(ReadyPlan ready, const LoadFlags &flags,
                                  bool countExperts = false);

} // namespace vinci
