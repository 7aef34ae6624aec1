// The norms of the heads of queries and keys in the op that splits them. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEQKRMSNORM
#include "passes/Passes.h.inc"

namespace {

class FuseQkRmsNorm;
constexpr StringLiteral passName = impl::FuseQkRmsNormBase<FuseQkRmsNorm>::getArgumentName();

bool fuse(llm::SplitQkvOp split, const NpuTarget &target) {
  if (split.getQueryNorm() || split.getTable() ||
      (!isReadBy<llm::RmsNormOp>(split.getQuery()) && !isReadBy<llm::RmsNormOp>(split.getKey())))
    return false;
  llm::RmsNormOp query = onlyReader<llm::RmsNormOp>(split.getQuery()),
                 key = onlyReader<llm::RmsNormOp>(split.getKey());
  if (!query || !key)
    return remarkNotFused(split) << (isReadBy<llm::RmsNormOp>(split.getQuery()) &&
                                             isReadBy<llm::RmsNormOp>(split.getKey())
                                         ? "something else reads heads before their norm"
                                         : "only one of queries and keys is normed"),
           false;
  for (llm::RmsNormOp norm : {query, key})
    if (norm.getBias())
      return remarkNotFused(norm) << "the norm has a bias", false;
  if (query.getEpsAttr() != key.getEpsAttr() || query.getComputeAttr() != key.getComputeAttr())
    return remarkNotFused(query) << "the norms of queries and keys differ in eps or type", false;
  if (auto why = whyNoQkvKernel(target, split))
    return remarkNotFused(query) << *why, false;
  for (Value weight : {query.getWeight(), key.getWeight()})
    if (!makeAvailable(weight, split))
      return remarkNotFused(query) << "the weight of a norm is computed after the heads", false;
  OpBuilder builder(split);
  auto fused = builder.create<llm::SplitQkvOp>(
      llm::madeOf(passName, {split, query, key}), split.getQuery().getType(),
      split.getKey().getType(), split.getValue().getType(), split.getQkv(), query.getWeight(),
      key.getWeight(), Value(), query.getEpsAttr(), query.getComputeAttr());
  replaceSplit(split, query, key, fused);
  return true;
}

class FuseQkRmsNorm : public impl::FuseQkRmsNormBase<FuseQkRmsNorm> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    fuseEach<llm::SplitQkvOp>(getOperation(), "the norms of queries and keys",
                              [&](auto split) { return fuse(split, **target); });
  }
};

} // namespace
} // namespace vinci
