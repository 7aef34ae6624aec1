// The counts of a device program, as a remark. See Passes.td.
#include "ir/npu/Sizes.h"
#include "passes/passes.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_REPORTPROGRAM
#include "passes/Passes.h.inc"

namespace {

struct Counts {
  int64_t bodies = 0, launches = 0, prefetches = 0, waits = 0, events = 0, criticalPath = 0;
};

void count(npu::BodyOp body, Counts &counts) {
  ++counts.bodies;
  std::vector<int64_t> depth; // commands on the longest chain that ends here
  for (npu::CommandOpInterface command : body.getCommands()) {
    int64_t longest = 0;
    for (int32_t wait : command.getWaits().value_or(ArrayRef<int32_t>())) {
      longest = std::max(longest, depth[wait]);
      ++counts.waits;
    }
    depth.push_back(longest + 1);
    ++(isa<npu::PrefetchOp>(*command) ? counts.prefetches : counts.launches);
  }
  auto records = body.getBlock().getOps<npu::RecordOp>();
  counts.events += std::distance(records.begin(), records.end());
  if (!depth.empty())
    counts.criticalPath += *llvm::max_element(depth);
}

class ReportProgram : public impl::ReportProgramBase<ReportProgram> {
  void runOnOperation() override {
    npu::ProgramOp program = getOperation();
    Block &members = program.getBody().front();
    Counts counts;
    for (auto body : members.getOps<npu::BodyOp>())
      count(body, counts);
    int64_t buffers = 0, bytes = 0;
    for (auto buffer : members.getOps<npu::BufferOp>()) {
      ++buffers;
      bytes += *npu::bytesAtLimits(buffer.getTensorType(), llm::findLimits(program));
    }
    auto weights = members.getOps<npu::WeightOp>();
    InFlightDiagnostic remark = emitRemark(program.getLoc());
    remark << counts.launches << " launches";
    if (counts.prefetches > 0)
      remark << " and " << counts.prefetches << " prefetches";
    remark << " in " << counts.bodies << " bodies, " << counts.waits << " waits";
    if (counts.events > 0)
      remark << ", " << counts.events << " events";
    remark << ", critical path " << counts.criticalPath << "; "
           << std::distance(weights.begin(), weights.end()) << " weights; " << buffers
           << " buffers of " << bytes << " bytes";
    if (program.getArenaBytes())
      remark << " in an arena of " << static_cast<int64_t>(*program.getArenaBytes());
    markAllAnalysesPreserved();
  }
};

} // namespace
} // namespace vinci
