// The order of the pairs of tokens and choices, its inverse and the offsets of experts in one op.
// See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEMOEROUTING
#include "passes/Passes.h.inc"

namespace {

template <typename Op> Op readerOf(Value value) {
  for (Operation *user : value.getUsers())
    if (auto op = dyn_cast<Op>(user))
      return op;
  return {};
}

bool fuse(llm::ArgsortOp order) {
  auto offsets = readerOf<llm::ExpertOffsetsOp>(order.getExperts());
  if (!offsets)
    return remarkNotFused(order) << "nothing counts the rows of its experts", false;
  if (offsets.getNumExperts() != order.getNumExperts() || offsets.getFirst() != order.getFirst())
    return remarkNotFused(order) << "the rows that are counted are those of other experts", false;
  auto inverse = readerOf<llm::InversePermutationOp>(order.getResult());
  if (!inverse)
    return remarkNotFused(order) << "nothing inverts the order", false;
  // Both read the same, so it is there before either; the inverse comes after the order.
  Operation *first = offsets->isBeforeInBlock(order) ? offsets.getOperation() : order;
  OpBuilder builder(first);
  auto sort = builder.create<llm::MoeSortOp>(order.getLoc(), order.getType(), inverse.getType(),
                                             offsets.getType(), order.getExperts(),
                                             order.getNumExperts(), order.getFirst());
  inverse.replaceAllUsesWith(sort.getPositionOf());
  offsets.replaceAllUsesWith(sort.getExpertOffsets());
  inverse.erase();
  offsets.erase();
  order.replaceAllUsesWith(sort.getRowOf());
  order.erase();
  return true;
}

class FuseMoeRouting : public impl::FuseMoeRoutingBase<FuseMoeRouting> {
  void runOnOperation() override {
    fuseEach<llm::ArgsortOp>(getOperation(), "argsort, inverse_permutation and expert_offsets",
                             fuse);
  }
};

} // namespace
} // namespace vinci
