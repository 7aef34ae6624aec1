// The choice of experts in one op. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEMOEGATING
#include "passes/Passes.h.inc"

namespace {

/// Why `target` has no kernel that chooses from so many experts; nullopt if it has.
std::optional<std::string> whyNoGating(const NpuTarget &target, int64_t experts) {
  const std::string name(target.name);
  if (!target.moeGating)
    return name + " has no kernel for softmax and top-k in one";
  if (target.moeGatingExperts != 0 && experts > target.moeGatingExperts)
    return "there are " + std::to_string(experts) + " experts; the kernel of " + name +
           " takes up to " + std::to_string(target.moeGatingExperts);
  return std::nullopt;
}

bool fuse(llm::TopKOp best, const NpuTarget &target) {
  auto softmax = best.getInput().getDefiningOp<llm::SoftmaxOp>();
  if (!softmax)
    return false;
  if (auto why = whyNoGating(target, softmax.getType().getDimSize(1)))
    return remarkNotFused(softmax) << *why, false;
  if (!softmax->hasOneUse())
    return remarkNotFused(softmax) << "something else reads the probabilities", false;
  auto normalize = onlyReader<llm::NormalizeRowsOp>(best.getValues());
  if (!normalize && isReadBy<llm::NormalizeRowsOp>(best.getValues()))
    return remarkNotFused(softmax) << "something else reads the weights before they are normalised",
           false;
  OpBuilder builder(best);
  auto route = builder.create<llm::MoeRouteOp>(best.getLoc(), best.getValues().getType(),
                                               best.getIndices().getType(), softmax.getInput(),
                                               best.getK(), bool(normalize));
  (normalize ? normalize.getResult() : best.getValues()).replaceAllUsesWith(route.getWeights());
  best.getIndices().replaceAllUsesWith(route.getExperts());
  if (normalize)
    normalize.erase();
  best.erase();
  softmax.erase();
  return true;
}

class FuseMoeGating : public impl::FuseMoeGatingBase<FuseMoeGating> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    fuseEach<llm::TopKOp>(getOperation(), "softmax and top_k",
                          [&](auto best) { return fuse(best, **target); });
  }
};

} // namespace
} // namespace vinci
