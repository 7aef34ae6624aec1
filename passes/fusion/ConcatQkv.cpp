// The projections of queries, keys and values as one. See Passes.td.
#include "passes/fusion/Concat.h"
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_CONCATQKV
#include "passes/Passes.h.inc"

namespace {

/// Where `heads` are made, before norm and rotation.
llm::SplitHeadsOp splitOf(Value heads) {
  while (isa_and_nonnull<llm::RopeOp, llm::RmsNormOp>(heads.getDefiningOp()))
    heads = heads.getDefiningOp()->getOperand(0);
  return heads.getDefiningOp<llm::SplitHeadsOp>();
}

/// The heads that attend to what `append` has written, and that it writes: queries, keys, values.
SmallVector<llm::SplitHeadsOp> splitsOf(llm::KvAppendOp append) {
  for (Operation *user : append.getResult().getUsers())
    if (auto attention = dyn_cast<llm::AttentionOp>(user))
      return {splitOf(attention.getQuery()), splitOf(append.getKey()), splitOf(append.getValue())};
  return {};
}

bool concatenate(llm::KvAppendOp append) {
  SmallVector<llm::SplitHeadsOp> splits = splitsOf(append);
  if (splits.empty() || llvm::is_contained(splits, nullptr))
    return false;
  if (splits[0] == splits[1] || splits[0] == splits[2] || splits[1] == splits[2])
    return remarkNotFused(splits[1]) << "two of queries, keys and values are the same heads", false;
  SmallVector<Operation *> projections;
  for (llm::SplitHeadsOp split : splits) {
    Operation *projection = split.getInput().getDefiningOp();
    if (!projection || !isProjection(projection))
      return remarkNotFused(split) << "something lies between a projection and its heads", false;
    if (!projection->hasOneUse())
      return remarkNotFused(projection) << "something else reads the projection", false;
    projections.push_back(projection);
  }
  if (auto why = whyNotJoined(projections))
    return remarkNotFused(projections.front()) << *why, false;
  Value qkv = join(projections, "qkv_proj");
  OpBuilder builder(qkv.getContext());
  builder.setInsertionPointAfterValue(qkv);
  auto split = builder.create<llm::SplitQkvOp>(
      splits.front().getLoc(), splits[0].getType(), splits[1].getType(), splits[2].getType(), qkv,
      Value(), Value(), Value(), FloatAttr(), TypeAttr::get(builder.getF32Type()));
  for (auto [old, result] : llvm::zip(splits, split.getResults())) {
    old.replaceAllUsesWith(result);
    eraseDead(old);
  }
  return true;
}

class ConcatQkv : public impl::ConcatQkvBase<ConcatQkv> {
  void runOnOperation() override {
    fuseEach<llm::KvAppendOp>(getOperation(), "q_proj, k_proj and v_proj", concatenate);
  }
};

} // namespace
} // namespace vinci
