// A norm, and the residual add before it, with the quantisation of its result. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/fusion/Quantisation.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSENORMQUANT
#include "passes/Passes.h.inc"

namespace {

class FuseNormQuant;
constexpr StringLiteral passName = impl::FuseNormQuantBase<FuseNormQuant>::getArgumentName();

/// The kernel for scales that are known in advance is registered for these only.
bool hasKernelFor(const NpuTarget &target, const Quantisation &quantisation, const APFloat &eps) {
  const double value = eps.convertToDouble();
  return target.vectorCores == 0 || !quantisation.scale || value == 1e-5 || value == 1e-6;
}

template <typename Op>
bool fuse(Op norm, Value normed, Value residual, Value sum, const NpuTarget &target) {
  std::optional<Quantisation> quantisation = onlyQuantisation(normed, "the norm");
  if (!quantisation)
    return false;
  if (!target.normQuant)
    return remarkNotFused(norm) << target.name
                                << " has no kernel for a norm with the quantisation after it",
           false;
  auto type = cast<RankedTensorType>(normed.getType());
  if (auto why = whyNoVectorKernel(target, type.getElementType(), type.getDimSize(1)))
    return remarkNotFused(norm) << *why, false;
  if (!hasKernelFor(target, *quantisation, norm.getEps()))
    return remarkNotFused(norm) << "the kernel of " << target.name
                                << " with a scale takes eps 1e-05 and 1e-06",
           false;
  for (Value value : {quantisation->scale, quantisation->offset})
    if (value && !makeAvailable(value, norm))
      return remarkNotFused(norm) << "the scale is computed after the norm", false;
  OpBuilder builder(norm);
  auto fused = builder.create<llm::RmsNormQuantOp>(
      llm::madeOf(passName, {norm, quantisation->op}), quantisation->resultType(),
      quantisation->scaleType(), residual ? normed.getType() : Type(), norm.getInput(),
      norm.getWeight(), norm.getBias(), residual, quantisation->scale, quantisation->offset,
      norm.getEpsAttr(), norm.getComputeAttr());
  quantisation->replace(fused.getResult(), fused.getScale());
  if (sum)
    sum.replaceAllUsesWith(fused.getSum());
  norm.erase();
  return true;
}

bool fuseOp(Operation *op, const NpuTarget &target) {
  if (auto norm = dyn_cast<llm::RmsNormOp>(op))
    return fuse(norm, norm.getResult(), Value(), Value(), target);
  auto norm = cast<llm::AddRmsNormOp>(op);
  return fuse(norm, norm.getNormed(), norm.getResidual(), norm.getSum(), target);
}

class FuseNormQuant : public impl::FuseNormQuantBase<FuseNormQuant> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    SmallVector<Operation *> norms;
    getOperation().walk([&](Operation *op) {
      if (isa<llm::RmsNormOp, llm::AddRmsNormOp>(op))
        norms.push_back(op);
    });
    remarkFused(getOperation(),
                llvm::count_if(norms, [&](Operation *norm) { return fuseOp(norm, **target); }),
                "a norm and the quantisation after it");
  }
};

} // namespace
} // namespace vinci
