// Waits from data dependencies, transitively reduced. See Passes.td.
#include "passes/passes.h"
#include "passes/schedule/CommandOrder.h"

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

/// What went before in a body.
struct Before {
  DenseMap<Attribute, Accesses> memory;
  int32_t collective = -1; ///< the last one
};

/// What a launch depends on.
SmallVector<int32_t> dependenciesOf(npu::LaunchOp launch, Before &before) {
  DenseMap<Attribute, Accesses> &memory = before.memory;
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
  // All ranks issue collectives in one order, so that none waits for another in vain.
  if (launch.getAxes() && before.collective >= 0)
    dependencies.push_back(before.collective);
  return dependencies;
}

void record(npu::LaunchOp launch, int32_t command, Before &before) {
  for (Attribute read : launch.getInputs())
    before.memory[read].readers.push_back(command);
  for (Attribute write : launch.getOutputs())
    before.memory[write] = {command, {}};
  if (launch.getAxes())
    before.collective = command;
}

/// The launch beside which a command starts: itself, or of a prefetch the next one.
npu::LaunchOp launchAt(Operation *op) {
  while (op && !isa<npu::LaunchOp>(op))
    op = op->getNextNode();
  return cast_if_present<npu::LaunchOp>(op);
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
  Before before;
  CommandOrder order;
  for (npu::CommandOpInterface command : body.getCommands()) {
    SmallVector<int32_t> waits;
    if (npu::LaunchOp launch = launchAt(command))
      waits = reduce(dependenciesOf(launch, before), order);
    if (auto launch = dyn_cast<npu::LaunchOp>(*command))
      record(launch, static_cast<int32_t>(order.size()), before);
    command.setWaits(waits);
    command.setStream(isa<npu::PrefetchOp>(*command) ? npu::Stream::Prefetch
                                                     : npu::Stream::Compute);
    order.append(waits);
  }
}

} // namespace
} // namespace vinci
