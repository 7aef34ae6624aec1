// What the fusions that end in int8 share: how a value is quantised, and what a kernel that does it
// on the way asks for.
#pragma once

#include "ir/llm/Llm.h"
#include "runtime/device/targets.h"

#include <optional>
#include <string>

namespace vinci {

/// The llm.quantize or llm.dynamic_quantize that alone reads a value.
struct Quantisation {
  mlir::Operation *op = nullptr;
  mlir::Value scale, offset; ///< of the former; null: the rows have scales of their own

  mlir::Type resultType() const { return op->getResult(0).getType(); }
  /// Null if there is no such result.
  mlir::Type scaleType() const;
  /// Erases the op; these are its results now. The second is null if it has none.
  void replace(mlir::Value result, mlir::Value scales) const;
};

/// How the value, which an op makes, is quantised. nullopt if it is not, or not only: then a remark
/// says that something else reads `what`, or that readers quantise it by different scales.
std::optional<Quantisation> onlyQuantisation(mlir::Value value, llvm::StringRef what);

/// Why the vector kernels of an NPU cannot work on rows of `columns` such elements; nullopt if they
/// can. Those of the host take all.
std::optional<std::string> whyNoVectorKernel(const NpuTarget &target, mlir::Type element,
                                             int64_t columns);

} // namespace vinci
