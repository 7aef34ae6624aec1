// Random programs through schedule-commands and plan-memory, checked pair by pair against the rule
// itself: whatever shares bytes is ordered by the waits, and a launch overwrites its own input only
// if its kernel may.
#include "ir/npu/Sizes.h"
#include "passes/passes.h"
#include "passes/schedule/CommandOrder.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

using namespace vinci;

namespace {

constexpr const char *kernels[] = {"matmul", "add", "mul", "silu", "rope", "rms_norm", "attention"};

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

struct Range {
  int64_t begin, end;
  bool overlaps(const Range &other) const { return begin < other.end && other.begin < end; }
  bool operator==(const Range &) const = default;
};

struct Access {
  mlir::Attribute buffer;
  Range range;
  size_t command;
  bool writes;
  bool mayBeOverwritten; // by the command's own output
};

class PlanMemoryTest : public testing::TestWithParam<unsigned> {
protected:
  PlanMemoryTest() { context_.loadDialect<npu::NpuDialect>(); }

  std::vector<Access> accessesOf(npu::BodyOp body) {
    std::vector<Access> accesses;
    auto program = body->getParentOfType<npu::ProgramOp>();
    for (auto [command, launch] : llvm::enumerate(body.getBlock().getOps<npu::LaunchOp>()))
      for (bool writes : {false, true})
        for (auto [index, attribute] :
             llvm::enumerate(writes ? launch.getOutputs() : launch.getInputs())) {
          auto buffer = program.lookupSymbol<npu::BufferOp>(
              mlir::cast<npu::OperandAttr>(attribute).getName());
          int64_t bytes = *npu::bytesAtLimits(buffer.getTensorType(), llm::findLimits(program));
          auto begin = static_cast<int64_t>(*buffer.getOffset());
          accesses.push_back({attribute,
                              {begin, begin + bytes},
                              command,
                              writes,
                              index < npu::inPlaceInputs(launch.getKernel())});
        }
    return accesses;
  }

  mlir::MLIRContext context_;
};

TEST_P(PlanMemoryTest, WhateverSharesBytesIsOrdered) {
  RandomProgram random(context_, GetParam());
  mlir::PassManager passes(&context_);
  passes.addNestedPass<npu::ProgramOp>(createScheduleCommands());
  passes.addNestedPass<npu::ProgramOp>(createPlanMemory());
  ASSERT_TRUE(mlir::succeeded(passes.run(random.module())));

  for (auto body : random.program().getBody().getOps<npu::BodyOp>()) {
    CommandOrder order(body);
    std::vector<Access> accesses = accessesOf(body);
    for (const Access &a : accesses)
      for (const Access &b : accesses) {
        if (!a.range.overlaps(b.range) || a.command > b.command ||
            (!a.writes && !b.writes && a.buffer == b.buffer))
          continue;
        if (a.command == b.command) {
          // Two inputs at the same place would mean that one of them was overwritten.
          if (a.buffer != b.buffer) {
            EXPECT_NE(a.writes, b.writes);
            EXPECT_EQ(a.range, b.range);
            EXPECT_TRUE(a.writes || a.mayBeOverwritten);
            EXPECT_TRUE(b.writes || b.mayBeOverwritten);
          }
          continue;
        }
        EXPECT_TRUE(order.before(b.command).test(a.command))
            << "commands " << a.command << " and " << b.command << " of "
            << body.getSymName().str();
      }
  }
}

TEST_P(PlanMemoryTest, NoBufferIsOverwrittenBeforeItsLastRead) {
  RandomProgram random(context_, GetParam());
  mlir::PassManager passes(&context_);
  passes.addNestedPass<npu::ProgramOp>(createScheduleCommands());
  passes.addNestedPass<npu::ProgramOp>(createPlanMemory());
  ASSERT_TRUE(mlir::succeeded(passes.run(random.module())));

  for (auto body : random.program().getBody().getOps<npu::BodyOp>()) {
    // In program order, who wrote each byte last. A buffer that is read before the body writes it
    // comes from outside.
    std::map<int64_t, mlir::Attribute> owner;
    for (const Access &access : accessesOf(body))
      for (int64_t byte = access.range.begin; byte < access.range.end;
           byte += npu::arenaAlignment) {
        if (access.writes) {
          owner[byte] = access.buffer;
        } else if (owner.contains(byte)) {
          EXPECT_EQ(owner[byte], access.buffer)
              << "byte " << byte << " read by command " << access.command;
        }
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlanMemoryTest, testing::Range(0u, 200u));

} // namespace
