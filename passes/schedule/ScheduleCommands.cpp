// Waits from data dependencies, transitively reduced. See Passes.td.
#include "passes/passes.h"
#include "passes/schedule/CommandOrder.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_SCHEDULECOMMANDS
#include "passes/Passes.h.inc"

namespace {

/// Who touched an operand's memory last: the writer, and the readers since.
struct Accesses {
  std::optional<int32_t> writer;
  SmallVector<int32_t> readers;
};

class ScheduleCommands : public impl::ScheduleCommandsBase<ScheduleCommands> {
  void runOnOperation() override {
    npu::ProgramOp program = getOperation();
    if (program.getArenaBytes()) {
      emitError(program.getLoc()) << "cannot schedule a program whose memory is planned: the waits "
                                     "would miss the buffers that "
                                     "share memory; run schedule-commands before plan-memory";
      return signalPassFailure();
    }
    for (auto body : program.getBody().getOps<npu::BodyOp>())
      schedule(body);
  }

  void schedule(npu::BodyOp body);
};

/// What launch `command` depends on; the accesses now include its own.
SmallVector<int32_t> dependenciesOf(npu::LaunchOp launch, int32_t command,
                                    DenseMap<Attribute, Accesses> &memory) {
  SmallVector<int32_t> dependencies;
  for (Attribute read : launch.getInputs())
    if (std::optional<int32_t> writer = memory[read].writer)
      dependencies.push_back(*writer);
  for (Attribute write : launch.getOutputs()) {
    Accesses &accesses = memory[write];
    if (accesses.writer)
      dependencies.push_back(*accesses.writer);
    llvm::append_range(dependencies, accesses.readers);
  }
  for (Attribute read : launch.getInputs())
    memory[read].readers.push_back(command);
  for (Attribute write : launch.getOutputs())
    memory[write] = {command, {}};
  return dependencies;
}

/// The smallest set of waits that orders a command after `dependencies`: none that another one
/// implies.
SmallVector<int32_t> reduce(SmallVector<int32_t> dependencies, const CommandOrder &order) {
  // From the latest to the earliest: whatever implies a dependency comes later than it.
  llvm::sort(dependencies, std::greater<>());
  dependencies.erase(llvm::unique(dependencies), dependencies.end());
  SmallVector<int32_t> waits;
  for (int32_t dependency : dependencies) {
    bool implied =
        llvm::any_of(waits, [&](int32_t wait) { return order.before(wait).test(dependency); });
    if (!implied)
      waits.push_back(dependency);
  }
  std::reverse(waits.begin(), waits.end());
  return waits;
}

void ScheduleCommands::schedule(npu::BodyOp body) {
  Builder builder(&getContext());
  DenseMap<Attribute, Accesses> memory;
  CommandOrder order;
  int32_t lastCollective = -1;
  for (auto launch : body.getBlock().getOps<npu::LaunchOp>()) {
    auto command = static_cast<int32_t>(order.size());
    SmallVector<int32_t> dependencies = dependenciesOf(launch, command, memory);
    // All ranks issue collectives in one order, so that none waits for another in vain.
    if (launch.getAxes())
      if (int32_t before = std::exchange(lastCollective, command); before >= 0)
        dependencies.push_back(before);
    SmallVector<int32_t> waits = reduce(std::move(dependencies), order);
    launch.setWaits(waits);
    launch.setStream(0);
    order.append(waits);
  }
}

} // namespace
} // namespace vinci
