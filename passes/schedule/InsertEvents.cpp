// Events where a command waits for another stream. See Passes.td.
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"

#include <map>

using namespace mlir;
using llvm::BitVector;

namespace vinci {

#define GEN_PASS_DEF_INSERTEVENTS
#include "passes/Passes.h.inc"

namespace {

class InsertEvents : public impl::InsertEventsBase<InsertEvents> {
  void runOnOperation() override {
    int64_t events = 0;
    for (auto body : getOperation().getBody().getOps<npu::BodyOp>()) {
      for (npu::CommandOpInterface command : body.getCommands())
        if (!command.getWaits() || !command.getStream()) {
          command->emitError() << "has no waits or no stream; run schedule-commands before "
                                  "insert-events";
          return signalPassFailure();
        }
      events += insert(body);
    }
    if (events > 0)
      emitRemark(getOperation().getLoc()) << "let streams wait for " << events << " events";
  }

  int64_t insert(npu::BodyOp body);
};

/// What each stream of a body has seen.
class Streams {
public:
  explicit Streams(size_t commands) : commands_(commands) {}

  /// Commands that have finished when the next one of `stream` starts.
  BitVector &finished(npu::Stream stream) {
    return finished_.try_emplace(stream, BitVector(commands_)).first->second;
  }

private:
  size_t commands_;
  llvm::MapVector<npu::Stream, BitVector> finished_;
};

int64_t InsertEvents::insert(npu::BodyOp body) {
  for (Operation &op : llvm::make_early_inc_range(body.getBlock()))
    if (isa<npu::RecordOp, npu::WaitOp>(op))
      op.erase(); // they are found anew
  SmallVector<npu::CommandOpInterface> commands(body.getCommands());
  Streams streams(commands.size());
  SmallVector<BitVector> before; // of each command, what has finished when it starts
  // From a command after which an event is recorded to those before which a stream waits for it.
  std::map<int32_t, SmallVector<int32_t>> waiting;
  for (auto [ordinal, command] : llvm::enumerate(commands)) {
    BitVector &finished = streams.finished(*command.getStream());
    // From the latest to the earliest: whatever implies a wait comes later than it.
    SmallVector<int32_t> waits(command.getWaits()->rbegin(), command.getWaits()->rend());
    for (int32_t wait : waits) {
      if (finished.test(wait))
        continue;
      waiting[wait].push_back(static_cast<int32_t>(ordinal));
      finished |= before[wait];
      finished.set(wait);
    }
    before.push_back(finished);
    finished.set(ordinal);
  }

  int64_t event = 0;
  for (const auto &[recorded, waiters] : waiting) {
    OpBuilder builder(&getContext());
    npu::CommandOpInterface command = commands[recorded];
    builder.setInsertionPointAfter(command);
    builder.create<npu::RecordOp>(command->getLoc(), event, *command.getStream());
    for (int32_t waiter : waiters) {
      builder.setInsertionPoint(commands[waiter]);
      builder.create<npu::WaitOp>(commands[waiter]->getLoc(), event, *commands[waiter].getStream());
    }
    ++event;
  }
  return event;
}

} // namespace
} // namespace vinci
