// How much of which weights is fetched into L2 ahead, as a module carries it:
//
//   llm.prefetch = {gate_up = 0.7, o = 1.0, qkv = 1.0}
//
// Shares of a weight, above 0 and up to 1, of the projections of queries, keys and values, of that
// of attention's output, and of the first products of experts. What is not named is not fetched.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LogicalResult.h"

namespace vinci::llm {

inline constexpr llvm::StringLiteral prefetchAttrName = "llm.prefetch";

/// Shares of weights; 0: not fetched ahead.
struct PrefetchShares {
  double qkv = 0, o = 0, gateUp = 0;
};

/// Sets the attribute, unless nothing is fetched.
void setPrefetch(mlir::ModuleOp module, const PrefetchShares &shares);
/// What the verified module that holds `op` fetches.
PrefetchShares findPrefetch(mlir::Operation *op);
/// The verifier of the attribute.
mlir::LogicalResult verifyPrefetch(mlir::Operation *op, mlir::Attribute attribute);

} // namespace vinci::llm
