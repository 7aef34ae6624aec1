// Commands to streams, by what they keep busy. See Passes.td.
#include "passes/passes.h"
#include "passes/schedule/KernelKinds.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_ASSIGNSTREAMS
#include "passes/Passes.h.inc"

namespace {

npu::Stream streamOf(npu::CommandOpInterface command) {
  auto launch = dyn_cast<npu::LaunchOp>(*command);
  if (!launch)
    return npu::Stream::Prefetch;
  if (usesCube(launch))
    return npu::Stream::Cube;
  return launch.getAxes() ? npu::Stream::Communication : npu::Stream::Vector;
}

class AssignStreams : public impl::AssignStreamsBase<AssignStreams> {
  void runOnOperation() override {
    int64_t moved = 0;
    WalkResult walked = getOperation().walk([&](npu::CommandOpInterface command) {
      if (!command.getWaits()) {
        command->emitError() << "has no waits; run schedule-commands before assign-streams";
        return WalkResult::interrupt();
      }
      const npu::Stream stream = streamOf(command);
      moved += command.getStream() != stream ? 1 : 0;
      command.setStream(stream);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
    emitRemark(getOperation().getLoc()) << "gave " << moved << " commands another stream";
  }
};

} // namespace
} // namespace vinci
