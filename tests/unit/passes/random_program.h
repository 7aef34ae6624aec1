// Random device programs, for passes to be checked against rules.
#pragma once

#include "ir/npu/Npu.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include "llvm/Support/FormatVariadic.h"

#include <random>
#include <string>
#include <vector>

namespace vinci {

/// Builds a program whose launches write one buffer each, most of them new, and read some that
/// exist.
class RandomProgram {
public:
  RandomProgram(mlir::MLIRContext &context, unsigned seed)
      : random_(seed), builder_(&context),
        module_(mlir::ModuleOp::create(builder_.getUnknownLoc())) {
    (*module_)->setAttr(llm::LlmDialect::limitsAttrName,
                        llm::LimitsAttr::get(&context, 64, 16, 4, 4, 16));
    builder_.setInsertionPointToStart(module_->getBody());
    program_ = builder_.create<npu::ProgramOp>(builder_.getUnknownLoc());
    for (int body = 0; body < 2; ++body)
      addBody(llvm::formatv("body{0}", body));
  }

  mlir::ModuleOp module() { return *module_; }
  npu::ProgramOp program() { return program_; }

private:
  static constexpr const char *kernels[] = {"matmul", "add",      "mul",      "silu",
                                            "rope",   "rms_norm", "attention"};

  size_t below(size_t n) { return random_() % n; }

  mlir::Attribute operand(const std::string &name) {
    return npu::OperandAttr::get(builder_.getContext(), npu::Space::Arena,
                                 mlir::FlatSymbolRefAttr::get(builder_.getContext(), name));
  }

  std::string newBuffer() {
    std::string name = llvm::formatv("b{0}", buffers_.size());
    builder_.setInsertionPointToStart(&program_.getBody().front());
    auto type = llm::tensorOf(builder_.getF32Type(), {llm::Symbol::Tokens, int64_t(1) << below(5)});
    builder_.create<npu::BufferOp>(builder_.getUnknownLoc(), name, mlir::IntegerAttr(), type);
    buffers_.push_back(name);
    return name;
  }

  void addBody(const std::string &name) {
    size_t firstLocal = buffers_.size();
    builder_.setInsertionPointToEnd(&program_.getBody().front());
    auto body = builder_.create<npu::BodyOp>(builder_.getUnknownLoc(), name,
                                             llvm::ArrayRef<mlir::Attribute>());
    for (size_t i = 0, count = 2 + below(20); i < count; ++i) {
      llvm::SmallVector<mlir::Attribute> reads;
      for (size_t j = 0, inputs = below(4); j < inputs && !buffers_.empty(); ++j) {
        // Mostly the body's own buffers, the latest ones more often.
        size_t first = below(8) == 0 || firstLocal == buffers_.size() ? 0 : firstLocal;
        size_t span = buffers_.size() - first;
        reads.push_back(operand(buffers_[first + std::max(below(span), below(span))]));
      }
      std::string written =
          below(6) == 0 && !buffers_.empty() ? buffers_[below(buffers_.size())] : newBuffer();
      builder_.setInsertionPointToEnd(&body.getBlock());
      builder_.create<npu::LaunchOp>(builder_.getUnknownLoc(), kernels[below(std::size(kernels))],
                                     builder_.getArrayAttr(operand(written)),
                                     builder_.getArrayAttr(reads), builder_.getDictionaryAttr({}),
                                     mlir::DenseI64ArrayAttr(), mlir::DenseI32ArrayAttr(),
                                     npu::StreamAttr());
    }
  }

  std::mt19937 random_;
  mlir::OpBuilder builder_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
  npu::ProgramOp program_;
  std::vector<std::string> buffers_;
};

} // namespace vinci
