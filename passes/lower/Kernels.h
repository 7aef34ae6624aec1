// Which kernel an llm op becomes: the catalogue's operands and constants
// (backend/kernels/README.md).
#pragma once

#include "ir/npu/Npu.h"

namespace vinci {

/// An operand of a kernel; for a weight, with the packing that the kernel reads.
struct KernelInput {
  mlir::Value value;
  npu::Packing packing = npu::Packing::Rows;
};

struct Kernel {
  llvm::StringRef name;
  llvm::SmallVector<mlir::Value, 3> outputs;
  llvm::SmallVector<KernelInput, 6> inputs;
  mlir::NamedAttrList constants;
  llvm::SmallVector<int64_t, 2> axes; ///< of a collective
};

/// The kernel of an op that computes something. Fails with a diagnostic if the kernel cannot do
/// what the op asks for.
mlir::FailureOr<Kernel> kernelFor(mlir::Operation *op, llm::LimitsAttr limits);

/// True for ops whose result is another name of the operand's memory.
bool isAlias(mlir::Operation *op);

/// True for ops whose result is known at compile time.
bool isConstant(mlir::Operation *op);

/// True for ops that compute something, at run time, by a kernel.
bool isCompute(mlir::Operation *op);

} // namespace vinci
