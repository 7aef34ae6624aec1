// Keys and values from their projection straight into the cache. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEKVAPPEND
#include "passes/Passes.h.inc"

namespace {

bool fuse(llm::KvAppendOp append, const NpuTarget &target) {
  auto split = append.getKey().getDefiningOp<llm::SplitQkvOp>();
  if (!split || append.getKey() != split.getKey() || append.getValue() != split.getValue())
    return false;
  if (!target.qkvToCache)
    return remarkNotFused(append) << target.name
                                  << " has no kernel from the projection to the cache",
           false;
  if (!split.getKey().hasOneUse() || !split.getValue().hasOneUse())
    return remarkNotFused(append) << "something else reads keys or values", false;
  for (Operation *user : split.getQuery().getUsers())
    if (user->isBeforeInBlock(append))
      return remarkNotFused(append) << "something reads the queries before the cache is written",
             false;
  OpBuilder builder(append);
  auto fused = builder.create<llm::AppendQkvOp>(
      split.getLoc(), split.getQuery().getType(), append.getType(), split.getQkv(),
      split.getQueryNorm(), split.getKeyNorm(), split.getTable(), append.getCache(),
      append.getSlotMapping(), split.getEpsAttr(), split.getComputeAttr());
  split.getQuery().replaceAllUsesWith(fused.getQuery());
  append.replaceAllUsesWith(fused.getResult());
  append.erase();
  split.erase();
  return true;
}

class FuseKvAppend : public impl::FuseKvAppendBase<FuseKvAppend> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    fuseEach<llm::KvAppendOp>(getOperation(), "kv_append with what splits its keys and values",
                              [&](auto append) { return fuse(append, **target); });
  }
};

} // namespace
} // namespace vinci
