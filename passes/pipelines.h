// The compile pipeline: from the `llm` IR of a model to the `npu` IR of its device program.
#pragma once

#include "passes/partition/Degrees.h"
#include "passes/phases.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vinci {

/// A pass of the pipeline, for lists.
struct PassInfo {
  std::string name; ///< its argument, as vinci-opt and --dump-ir have it
  Phase phase = Phase::Fuse;
  bool optional = false;   ///< can be switched on and off
  bool onByDefault = true; ///< without any switch or flag
  std::string needs;       ///< what it asks of the target, or the flag that asks for it
  std::string summary;
};

/// Every pass, in the order in which they run.
std::vector<PassInfo> compilePasses();

struct PipelineOptions {
  /// The phase that the module has gone through; passes up to it are left out.
  Phase startAfter = Phase::Import;
  /// Passes of later phases are left out.
  Phase stopAfter = Phase::Plan;
  ParallelDegrees degrees = {};
  /// Divide the tokens of a step among the ranks that share it (scatter-tokens).
  bool sequenceParallel = false;
  /// Dynamic scales are of whole rows (true) or of what a rank has of them; absent: as the target's
  /// stack has them (scale-whole-rows).
  std::optional<bool> wholeRowScales = {};
  /// Optional passes that are switched on or off against their default.
  std::map<std::string, bool> switches = {};
  /// Let buffers share memory.
  bool reuseMemory = true;
};

/// Adds the passes to a pass manager of builtin.module.
void buildCompilePipeline(mlir::OpPassManager &passes, const PipelineOptions &options = {});

/// The last phase that `module` has gone through, from what the passes leave behind.
Phase reachedPhase(mlir::ModuleOp module);

/// Makes the pipeline known as --compile-pipeline{stop-after=... reuse-memory=...}, for vinci-opt.
void registerCompilePipeline();

} // namespace vinci
