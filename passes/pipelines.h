// The compile pipeline: from the `llm` IR of a model to the `npu` IR of its device program.
#pragma once

#include "passes/phases.h"

#include "mlir/Pass/PassManager.h"

namespace vinci {

struct PipelineOptions {
  /// Passes of later phases are left out.
  Phase stopAfter = Phase::Plan;
  /// Let buffers share memory.
  bool reuseMemory = true;
};

/// Adds the passes to a pass manager of builtin.module.
void buildCompilePipeline(mlir::OpPassManager &passes, const PipelineOptions &options = {});

/// Makes the pipeline known as --compile-pipeline{stop-after=... reuse-memory=...}, for vinci-opt.
void registerCompilePipeline();

} // namespace vinci
