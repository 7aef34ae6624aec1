// Which steps are captured as graphs, as a module carries it:
//
//   llm.graphs = {mode = "full-decode-only", sizes = array<i64: 1, 2, 4, 8>}
//
// The mode is one of --graph-mode but none; sizes are numbers of tokens, ascending. A module
// without the attribute captures nothing.
#pragma once

#include "runtime/device/graph_capture.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LogicalResult.h"

namespace vinci::llm {

inline constexpr llvm::StringLiteral graphsAttrName = "llm.graphs";

/// Sets the attribute, unless nothing is captured.
void setGraphs(mlir::ModuleOp module, const GraphCapture &graphs);
/// What a verified module captures.
GraphCapture findGraphs(mlir::ModuleOp module);
/// The verifier of the attribute.
mlir::LogicalResult verifyGraphs(mlir::Operation *op, mlir::Attribute attribute);

} // namespace vinci::llm
