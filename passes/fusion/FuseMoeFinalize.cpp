// The way back from sorted rows to tokens in one op. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEMOEFINALIZE
#include "passes/Passes.h.inc"

namespace {

bool fuse(llm::WeightedSumOp sum) {
  auto choices = sum.getInput().getDefiningOp<llm::UnpermuteTokensOp>();
  if (!choices)
    return false;
  if (!choices->hasOneUse())
    return remarkNotFused(choices) << "something else reads the rows of the choices", false;
  OpBuilder builder(sum);
  auto combine = builder.create<llm::MoeCombineOp>(sum.getLoc(), sum.getType(), choices.getInput(),
                                                   choices.getPositionOf(), sum.getWeights());
  sum.replaceAllUsesWith(combine.getResult());
  sum.erase();
  choices.erase();
  return true;
}

class FuseMoeFinalize : public impl::FuseMoeFinalizeBase<FuseMoeFinalize> {
  void runOnOperation() override {
    fuseEach<llm::WeightedSumOp>(getOperation(), "unpermute_tokens and weighted_sum", fuse);
  }
};

} // namespace
} // namespace vinci
