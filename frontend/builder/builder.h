// ModelSpec -> `llm` IR: what the model computes, unfused, with weights as names.
//
// The module holds the bodies @prologue, one for each kind of decoder layer (@decoder_layer,
// @sparse_decoder_layer, @decoder_layer_w8a8, …), @epilogue and @epilogue_prefill, and the entries
// @prefill, @decode and @score. It depends on the ModelSpec and
// the options alone: the same bytes wherever the model stands and whether or not its weights are
// there. Its size grows with the depth by a call per layer and entry. Locations point into
// config.json, relative to the model.
#pragma once

#include "frontend/limits.h"
#include "frontend/model_spec.h"
#include "frontend/precision.h"
#include "ir/llm/Prefetch.h"
#include "runtime/device/graph_capture.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace vinci {

struct BuildOptions {
  PrecisionPolicy precision;
  Limits limits;
  std::string target; ///< a name of runtime/device/targets.h; empty: not said
  GraphCapture graphs;
  llm::PrefetchShares prefetch; ///< weights to be fetched into L2 ahead
};

/// Builds and verifies the module; loads the llm dialect into `context`. Fails for a policy that is
/// not legal.
mlir::OwningOpRef<mlir::ModuleOp> buildModel(mlir::MLIRContext &context, const ModelSpec &spec,
                                             const BuildOptions &options);

} // namespace vinci
