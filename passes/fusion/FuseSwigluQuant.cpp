// The gated linear unit with the quantisation of its result. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/fusion/Quantisation.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSESWIGLUQUANT
#include "passes/Passes.h.inc"

namespace {

bool fuse(llm::SwigluOp swiglu, const NpuTarget &target) {
  std::optional<Quantisation> quantisation = onlyQuantisation(swiglu.getResult(), "the activation");
  if (!quantisation)
    return false;
  if (!target.swigluQuant)
    return remarkNotFused(swiglu) << target.name
                                  << " has no kernel for swiglu with the quantisation after it",
           false;
  if (swiglu.getUp() && target.vectorCores != 0)
    return remarkNotFused(swiglu) << "the kernel of " << target.name
                                  << " reads gate and up from one projection",
           false;
  RankedTensorType type = swiglu.getType();
  if (auto why = whyNoVectorKernel(target, type.getElementType(), type.getDimSize(1)))
    return remarkNotFused(swiglu) << *why, false;
  OpBuilder builder(quantisation->op);
  auto fused = builder.create<llm::SwigluQuantOp>(
      swiglu.getLoc(), quantisation->resultType(), quantisation->scaleType(), swiglu.getGate(),
      swiglu.getUp(), quantisation->scale, quantisation->offset);
  quantisation->replace(fused.getResult(), fused.getScale());
  swiglu.erase();
  return true;
}

class FuseSwigluQuant : public impl::FuseSwigluQuantBase<FuseSwigluQuant> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    fuseEach<llm::SwigluOp>(getOperation(), "swiglu and the quantisation after it",
                            [&](auto swiglu) { return fuse(swiglu, **target); });
  }
};

} // namespace
} // namespace vinci
