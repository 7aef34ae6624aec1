// The projections of gate and up as one. See Passes.td.
#include "passes/fusion/Concat.h"
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_CONCATGATEUP
#include "passes/Passes.h.inc"

namespace {

bool concatenate(llm::SwigluOp swiglu) {
  if (!swiglu.getUp())
    return false;
  SmallVector<Operation *> projections = {swiglu.getGate().getDefiningOp(),
                                          swiglu.getUp().getDefiningOp()};
  for (Operation *projection : projections)
    if (!projection || !isProjection(projection))
      return false;
  for (Operation *projection : projections)
    if (!projection->hasOneUse())
      return remarkNotFused(projection) << "something else reads the projection", false;
  if (auto why = whyNotJoined(projections))
    return remarkNotFused(projections.front()) << *why, false;
  Value gateUp = join(projections, "gate_up_proj");
  OpBuilder builder(swiglu);
  auto fused =
      builder.create<llm::SwigluOp>(swiglu.getLoc(), swiglu.getType(), gateUp, /*up=*/Value());
  swiglu.replaceAllUsesWith(fused.getResult());
  eraseDead(swiglu);
  return true;
}

class ConcatGateUp : public impl::ConcatGateUpBase<ConcatGateUp> {
  void runOnOperation() override {
    fuseEach<llm::SwigluOp>(getOperation(), "gate_proj and up_proj", concatenate);
  }
};

} // namespace
} // namespace vinci
