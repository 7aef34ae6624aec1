// What the fusions share: the target they ask, and what they say.
//
// Every fusion is bitwise: the fused op rounds where the chain rounded, so its results are the same
// bits (tests/golden/fusion.py). A fusion that leaves a chain alone says why, in a remark at the op
// that would have been the first of it.
#pragma once

#include "ir/llm/Llm.h"
#include "runtime/device/targets.h"

namespace vinci {

/// What `llm.target` names; the host, which can do everything, if there is none. Fails with a
/// diagnostic for a name that is no target's.
mlir::FailureOr<const NpuTarget *> targetOf(mlir::ModuleOp module);

/// A remark at `op`, to be continued with the reason why it was not fused.
mlir::InFlightDiagnostic remarkNotFused(mlir::Operation *op);

/// A remark on the module with what a pass has fused, if anything: "fused 3 of silu and mul".
void remarkFused(mlir::ModuleOp module, int64_t count, llvm::StringRef what);

} // namespace vinci
