// Scales of whole rows where ranks have parts of them. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_SCALEWHOLEROWS
#include "passes/Passes.h.inc"

namespace {

class ScaleWholeRows;
constexpr StringLiteral passName = impl::ScaleWholeRowsBase<ScaleWholeRows>::getArgumentName();

/// The axes over which the columns of a weight are divided, and with them the rows that it
/// multiplies.
SmallVector<int64_t> axesOfColumns(llm::WeightOp weight) {
  SmallVector<int64_t> axes;
  for (llm::PieceAttr piece : weight.getPieceList())
    for (llm::ShardAttr shard : piece.getShards())
      if (shard.getKind() == llm::ShardKind::Columns && axes.empty())
        llvm::append_range(axes, shard.getAxes());
  return axes;
}

/// Those over which the rows are divided that `quantize` reads, by what multiplies them; none if no
/// weight divides them.
SmallVector<int64_t> axesOfRows(llm::DynamicQuantizeOp quantize) {
  for (Operation *user : quantize.getResult().getUsers())
    for (Value operand : user->getOperands())
      if (auto weight = operand.getDefiningOp<llm::WeightOp>())
        if (SmallVector<int64_t> axes = axesOfColumns(weight); !axes.empty())
          return axes;
  return {};
}

void scaleWhole(llm::DynamicQuantizeOp quantize, llm::MeshAttr mesh) {
  const SmallVector<int64_t> axes = axesOfRows(quantize);
  OpBuilder builder(quantize);
  const Location loc = llm::addedBy(passName, quantize.getLoc());
  SmallVector<llm::DimExpr> shape = llm::shapeOf(quantize.getInput().getType());
  shape[1] = 1;
  Value own = builder.create<llm::RowMaxOp>(loc, llm::tensorOf(builder.getF32Type(), shape),
                                            quantize.getInput());
  shape[0].scale *= mesh.getSize(axes);
  quantize.getRowMaxMutable().assign(builder.create<llm::AllGatherOp>(
      loc, llm::tensorOf(builder.getF32Type(), shape), own, builder.getDenseI64ArrayAttr(axes)));
}

class ScaleWholeRows : public impl::ScaleWholeRowsBase<ScaleWholeRows> {
public:
  using ScaleWholeRowsBase::ScaleWholeRowsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<const NpuTarget *> target = targetOf(module);
    if (failed(target))
      return signalPassFailure();
    llm::MeshAttr mesh = llm::findMesh(module);
    if (!mesh)
      return;
    SmallVector<llm::DynamicQuantizeOp> divided;
    module.walk([&](llm::DynamicQuantizeOp op) {
      if (!op.getRowMax() && !axesOfRows(op).empty())
        divided.push_back(op);
    });
    if (divided.empty())
      return;
    if (!anyTarget && !(*target)->scalesOfWholeRows) {
      emitRemark(module.getLoc()) << "the stack of " << (*target)->name
                                  << " quantises what each rank has of a row by a "
                                  << "scale of its own; so do " << divided.size() << " here";
      return;
    }
    for (llm::DynamicQuantizeOp op : divided)
      scaleWhole(op, mesh);
    emitRemark(module.getLoc()) << "ranks agree on the scales of " << divided.size()
                                << " quantisations, of which each has parts of the rows";
  }
};

} // namespace
} // namespace vinci
