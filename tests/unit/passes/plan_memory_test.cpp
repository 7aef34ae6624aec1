// Random programs through schedule-commands and plan-memory, checked pair by pair against the rule
// itself: whatever shares bytes is ordered by the waits, and a launch overwrites its own input only
// if its kernel may.
#include "ir/npu/Sizes.h"
#include "passes/passes.h"
#include "passes/schedule/CommandOrder.h"
#include "tests/unit/passes/random_program.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <map>

using namespace vinci;

namespace {

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
