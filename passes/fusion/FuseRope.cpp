// The rotations of queries and keys in one op. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEROPE
#include "passes/Passes.h.inc"

namespace {

/// The rotation of the queries that attend to what `append` has written, or null.
llm::RopeOp queryOf(llm::KvAppendOp append) {
  for (Operation *user : append.getResult().getUsers())
    if (auto attention = dyn_cast<llm::AttentionOp>(user))
      if (auto rope = attention.getQuery().getDefiningOp<llm::RopeOp>())
        return rope;
  return {};
}

/// Fuses the rotation of the keys of `append` with that of their queries; false if it cannot.
bool fuse(llm::KvAppendOp append) {
  auto key = append.getKey().getDefiningOp<llm::RopeOp>();
  llm::RopeOp query = queryOf(append);
  if (!key || !query || key == query)
    return false;
  if (key.getTable() != query.getTable())
    return remarkNotFused(query) << "queries and keys are rotated by different tables", false;
  // The fused op stands where the later one stood: both inputs are there, and nobody needs it yet.
  llm::RopeOp last = key->isBeforeInBlock(query) ? query : key;
  llm::RopeOp first = last == key ? query : key;
  for (Operation *user : first->getUsers())
    if (user->isBeforeInBlock(last))
      return remarkNotFused(first) << "something reads it before the other rotation", false;
  OpBuilder builder(last);
  auto fused = builder.create<llm::RopeQkOp>(last.getLoc(), query.getType(), key.getType(),
                                             query.getInput(), key.getInput(), query.getTable());
  query.replaceAllUsesWith(fused.getQueryResult());
  key.replaceAllUsesWith(fused.getKeyResult());
  query.erase();
  key.erase();
  return true;
}

class FuseRope : public impl::FuseRopeBase<FuseRope> {
  void runOnOperation() override {
    fuseEach<llm::KvAppendOp>(getOperation(), "the rope of queries and keys", fuse);
  }
};

} // namespace
} // namespace vinci
