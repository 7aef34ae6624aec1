// The rotations of queries and keys in the op that splits (and norms) them. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEQKNORMROPE
#include "passes/Passes.h.inc"

namespace {

/// What the kernel asks for beside what that of the norms asks for.
bool hasKernel(const NpuTarget &target, llm::SplitQkvOp split) {
  RankedTensorType type = split.getQuery().getType();
  return target.vectorCores == 0 || (type.getElementType().isBF16() && type.getDimSize(2) == 128);
}

bool fuse(llm::SplitQkvOp split, const NpuTarget &target) {
  if (split.getTable() ||
      (!isReadBy<llm::RopeOp>(split.getQuery()) && !isReadBy<llm::RopeOp>(split.getKey())))
    return false;
  llm::RopeOp query = onlyReader<llm::RopeOp>(split.getQuery()),
              key = onlyReader<llm::RopeOp>(split.getKey());
  if (!query || !key)
    return remarkNotFused(split) << (isReadBy<llm::RopeOp>(split.getQuery()) &&
                                             isReadBy<llm::RopeOp>(split.getKey())
                                         ? "something else reads heads before their rotation"
                                         : "only one of queries and keys is rotated"),
           false;
  if (query.getTable() != key.getTable())
    return remarkNotFused(query) << "queries and keys are rotated by different tables", false;
  if (auto why = whyNoQkvKernel(target, split))
    return remarkNotFused(query) << *why, false;
  if (!hasKernel(target, split))
    return remarkNotFused(query) << "the kernel of " << target.name
                                 << " takes bfloat16 and head_dim 128",
           false;
  if (!makeAvailable(query.getTable(), split))
    return remarkNotFused(query) << "the table is computed after the heads", false;
  OpBuilder builder(split);
  auto fused = builder.create<llm::SplitQkvOp>(
      split.getLoc(), split.getQuery().getType(), split.getKey().getType(),
      split.getValue().getType(), split.getQkv(), split.getQueryNorm(), split.getKeyNorm(),
      query.getTable(), split.getEpsAttr(), split.getComputeAttr());
  replaceSplit(split, query, key, fused);
  return true;
}

class FuseQkNormRope : public impl::FuseQkNormRopeBase<FuseQkNormRope> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    fuseEach<llm::SplitQkvOp>(getOperation(),
                              "the rotations of queries and keys with what splits them",
                              [&](auto split) { return fuse(split, **target); });
  }
};

} // namespace
} // namespace vinci
