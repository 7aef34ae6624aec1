// The regions of a model that #llm.precision gives element types, and how the verifier holds
// passes to them.
#pragma once

#include "mlir/IR/Operation.h"
#include "mlir/IR/Types.h"

#include <cstdint>

namespace vinci::llm {

enum class PrecisionRegion : uint8_t { Compute, Layernorm, Softmax, Rotary, Parameters };

/// "compute", "layernorm", "softmax", "rotary", "parameters".
llvm::StringRef toString(PrecisionRegion region);

/// Fails, saying that `op` `what` (a verb) `type`, if the module's llm.precision keeps another type
/// for `region`.
mlir::LogicalResult verifyKept(mlir::Operation *op, PrecisionRegion region, llvm::StringRef what,
                               mlir::Type type);

} // namespace vinci::llm
