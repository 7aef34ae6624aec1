// Random programs divided among streams: what streams and events order is what the waits order, no
// event is in vain, and no buffer lies elsewhere than on one stream.
#include "passes/passes.h"
#include "tests/unit/passes/random_program.h"

#include "mlir/Pass/PassManager.h"

#include "llvm/ADT/BitVector.h"

#include <gtest/gtest.h>

#include <map>

using namespace vinci;

namespace {

/// As a device runs a body: commands that wait for one that may not have finished. Without the wait
/// `leftOut`, if there is one.
size_t unordered(npu::BodyOp body, mlir::Operation *leftOut = nullptr) {
  auto all = body.getCommands();
  const auto commands = static_cast<unsigned>(std::distance(all.begin(), all.end()));
  std::map<npu::Stream, llvm::BitVector> finished; // when the next command of a stream starts
  std::vector<llvm::BitVector> recorded;
  const auto of = [&](npu::Stream stream) -> llvm::BitVector & {
    return finished.try_emplace(stream, llvm::BitVector(commands)).first->second;
  };
  size_t ordinal = 0, missing = 0;
  for (mlir::Operation &op : body.getBlock()) {
    if (auto record = mlir::dyn_cast<npu::RecordOp>(op)) {
      recorded.push_back(of(record.getStream()));
    } else if (auto wait = mlir::dyn_cast<npu::WaitOp>(op)) {
      if (&op != leftOut)
        of(wait.getStream()) |= recorded[wait.getEvent()];
    } else {
      auto command = mlir::cast<npu::CommandOpInterface>(op);
      const llvm::ArrayRef<int32_t> waits = *command.getWaits();
      for (int32_t wait : waits)
        missing += of(*command.getStream()).test(wait) ? 0 : 1;
      of(*command.getStream()).set(ordinal++);
    }
  }
  return missing;
}

class StreamsTest : public testing::TestWithParam<unsigned> {
protected:
  StreamsTest() { context_.loadDialect<npu::NpuDialect>(); }

  void run(RandomProgram &program, bool divide) {
    mlir::PassManager passes(&context_);
    passes.addNestedPass<npu::ProgramOp>(createScheduleCommands());
    if (divide)
      passes.addNestedPass<npu::ProgramOp>(createAssignStreams());
    passes.addNestedPass<npu::ProgramOp>(createInsertEvents());
    passes.addNestedPass<npu::ProgramOp>(createPlanMemory());
    // Remarks go nowhere.
    mlir::ScopedDiagnosticHandler handler(&context_, [](mlir::Diagnostic &) {});
    ASSERT_TRUE(mlir::succeeded(passes.run(program.module())));
  }

  mlir::MLIRContext context_;
};

TEST_P(StreamsTest, EventsSayWhatWaitsSay) {
  RandomProgram random(context_, GetParam());
  run(random, /*divide=*/true);
  for (auto body : random.program().getBody().getOps<npu::BodyOp>()) {
    EXPECT_EQ(unordered(body), 0u);
    for (auto wait : body.getBlock().getOps<npu::WaitOp>())
      EXPECT_GT(unordered(body, wait), 0u) << "event " << wait.getEvent() << " is in vain";
  }
}

TEST_P(StreamsTest, BuffersLieWhereTheyDoOnOneStream) {
  RandomProgram one(context_, GetParam()), several(context_, GetParam());
  run(one, /*divide=*/false);
  run(several, /*divide=*/true);
  EXPECT_EQ(one.program().getArenaBytes(), several.program().getArenaBytes());
  for (auto [a, b] : llvm::zip_equal(one.program().getBody().getOps<npu::BufferOp>(),
                                     several.program().getBody().getOps<npu::BufferOp>()))
    EXPECT_EQ(a.getOffset(), b.getOffset());
  one.program().walk([](mlir::Operation *op) {
    EXPECT_FALSE((mlir::isa<npu::RecordOp, npu::WaitOp>(op))) << "on one stream nothing is awaited";
  });
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamsTest, testing::Range(0u, 100u));

} // namespace
