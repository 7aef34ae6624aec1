// What a launch costs, from its kernel and the types of its operands: the cost descriptor that the
// plan carries for the virtual clock (runtime/plan/cost.h).
#pragma once

#include "backend/codegen/kernel_spec.h"
#include "ir/npu/Npu.h"
#include "runtime/plan/cost.h"

namespace vinci {

/// Knows the types behind the names in launches.
class LaunchCosts {
public:
  explicit LaunchCosts(npu::ProgramOp program);

  /// Bytes are those of the operands, each read or written once: a weight whatever the rows, a
  /// buffer for each row. Kernels that look rows up read a row of their table for each of their
  /// own. Products also have the sizes of their factors, attention its heads.
  Cost costOf(npu::LaunchOp launch, const KernelSpec &spec) const;

private:
  /// What a launch's operands come to.
  struct Traffic {
    llm::Symbol rows = llm::Symbol::One; ///< what counts rows
    uint64_t weightBytes = 0, constantBytes = 0, rowBytes = 0,
             writtenBytes = 0; ///< of a row, the last two
    double rowElements = 0;
    mlir::RankedTensorType weight; ///< the largest; null if there is none
    mlir::RankedTensorType input;  ///< the first that has rows; null if there is none
  };

  Traffic trafficOf(npu::LaunchOp launch) const;
  /// Null for the KV cache.
  mlir::RankedTensorType typeOf(npu::LaunchOp launch, npu::OperandAttr operand) const;
  void addVector(const KernelSpec &spec, const Traffic &traffic, Cost &cost) const;
  void addProduct(const KernelSpec &spec, const Traffic &traffic, Cost &cost) const;

  mlir::SymbolTable symbols_;
  /// Of a call of each body: calls of one body bind weights of the same types.
  llvm::DenseMap<mlir::Operation *, npu::CallOp> calls_;
  npu::EntryOp entry_;   ///< its inputs and outputs are those of all
  uint32_t experts_ = 0; ///< that a router chooses from; 0: there is none
  uint32_t topK_ = 1;    ///< that it chooses for each token
};

} // namespace vinci
