// A projection and the sum of its parts in one op. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEMATMULALLREDUCE
#include "passes/Passes.h.inc"

namespace {

/// True if ranks that meet along `axes` are always of one host.
bool withinHost(llm::MeshAttr mesh, ArrayRef<int64_t> axes, int64_t ranksPerHost) {
  if (ranksPerHost == 0)
    return true;
  SmallVector<int64_t> others;
  for (int64_t axis = 0; axis < int64_t(mesh.getAxes().size()); ++axis)
    if (!llvm::is_contained(axes, axis))
      others.push_back(axis);
  DenseMap<int64_t, int64_t> hostOf; // by group
  for (int64_t rank = 0; rank < mesh.getRanks(); ++rank) {
    const int64_t host = rank / ranksPerHost;
    if (hostOf.try_emplace(mesh.getIndex(others, rank), host).first->second != host)
      return false;
  }
  return true;
}

bool fuse(llm::AllReduceOp sum, const NpuTarget &target) {
  auto product = sum.getInput().getDefiningOp<llm::MatmulOp>();
  if (!product) {
    if (Operation *op = sum.getInput().getDefiningOp())
      remarkNotFused(sum) << "its parts are made by " << op->getName()
                          << "; the kernel multiplies floats, one weight for all rows";
    return false;
  }
  if (!product->hasOneUse())
    return remarkNotFused(product) << "more than the sum reads the parts", false;
  if (!withinHost(llm::findMesh(sum), sum.getAxes(), target.ranksPerHost))
    return remarkNotFused(product)
               << "the ranks that sum over axes [" << sum.getAxes()
               << "] are not all in one host of " << target.ranksPerHost << " ranks",
           false;
  OpBuilder builder(sum);
  auto fused = builder.create<llm::MatmulAllReduceOp>(product.getLoc(), sum.getType(),
                                                      product.getInput(), product.getWeight(),
                                                      product.getBias(), sum.getAxesAttr());
  sum.replaceAllUsesWith(fused.getResult());
  sum.erase();
  product.erase();
  return true;
}

class FuseMatmulAllReduce : public impl::FuseMatmulAllReduceBase<FuseMatmulAllReduce> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<const NpuTarget *> target = targetOf(module);
    if (failed(target))
      return signalPassFailure();
    if (!(*target)->matmulAllReduce) {
      emitRemark(module.getLoc()) << "not fused: " << (*target)->name
                                  << " has no kernel for a product with the sum of its parts";
      return;
    }
    fuseEach<llm::AllReduceOp>(module, "matmul and all_reduce",
                               [&](llm::AllReduceOp sum) { return fuse(sum, **target); });
  }
};

} // namespace
} // namespace vinci
