// What collectives accept: axes of the mesh, and rows that the group's size relates.
#include "ir/llm/Checker.h"
#include "ir/llm/Llm.h"

using namespace mlir;

namespace vinci::llm {

static int64_t groupSize(Operation *op, ArrayRef<int64_t> axes) {
  return findMesh(op).getSize(axes);
}

int64_t AllReduceOp::getGroupSize() {
  return groupSize(*this, getAxes());
}
int64_t AllGatherOp::getGroupSize() {
  return groupSize(*this, getAxes());
}
int64_t ReduceScatterOp::getGroupSize() {
  return groupSize(*this, getAxes());
}
int64_t MatmulAllReduceOp::getGroupSize() {
  return groupSize(*this, getAxes());
}

static LogicalResult verifyAxes(Operation *op, ArrayRef<int64_t> axes) {
  MeshAttr mesh = findMesh(op);
  if (!mesh)
    return op->emitOpError() << "is in a module without a mesh; collectives need one";
  if (axes.empty() || axes.front() < 0 || axes.back() >= int64_t(mesh.getAxes().size()) ||
      !llvm::is_sorted(axes, std::less_equal<>()))
    return op->emitOpError() << "goes over the axes [" << axes
                             << "]; legal are ascending indices of the mesh's "
                             << mesh.getAxes().size() << " axes";
  return success();
}

/// `many` has `times` as many rows as `few`, and the same otherwise. Shares of the tokens make the
/// tokens.
static LogicalResult verifyRows(Operation *op, const Tensor &many, const Tensor &few,
                                int64_t times) {
  const DimExpr rows = few.dim(0);
  Checker check(op);
  if (rows.symbol == Symbol::TokenShares) {
    const int64_t shares = findLimits(op) ? findLimits(op).getTokenShares().value_or(1) : 1;
    check.require(shares == times, [&](auto &&out) {
      out << "is among " << times << " ranks, but the tokens are divided into " << shares
          << " shares by token_shares of llm.limits; they must be equal";
    });
    check.is("rows", many, 0, DimExpr(Symbol::Tokens, rows.scale), "what the shares make");
  } else {
    check.is("rows", many, 0, DimExpr(rows.symbol, rows.scale * times),
             "the ranks of a group times the rows of " + few.name.str());
  }
  check.require(many.type.getRank() == few.type.getRank(),
                [&](auto &&out) { out << "changes the rank of its operand"; });
  if (check.failed())
    return failure();
  for (int64_t i = 1; i < few.type.getRank(); ++i)
    check.same("columns", many, i, few, i);
  return check.sameType(many, few);
}

LogicalResult AllReduceOp::verify() {
  return verifyAxes(*this, getAxes());
}

LogicalResult AllGatherOp::verify() {
  if (failed(verifyAxes(*this, getAxes())))
    return failure();
  return verifyRows(*this, Tensor("result", getResult()), Tensor("input", getInput()),
                    getGroupSize());
}

LogicalResult ReduceScatterOp::verify() {
  if (failed(verifyAxes(*this, getAxes())))
    return failure();
  return verifyRows(*this, Tensor("input", getInput()), Tensor("result", getResult()),
                    getGroupSize());
}

LogicalResult MatmulAllReduceOp::verify() {
  if (failed(verifyAxes(*this, getAxes())))
    return failure();
  return verifyMatmul(*this);
}

LogicalResult JoinColumnsOp::verify() {
  Tensor input("input", getInput()), result("result", getResult());
  const int64_t parts = getParts();
  Checker check(*this);
  check.activation(input).activation(result).sameType(input, result);
  check.require(parts >= 1 && parts <= 65536,
                [&](auto &&out) { out << "joins " << parts << " parts; legal are 1 to 65536"; });
  if (check.failed())
    return failure();
  const DimExpr rows = result.dim(0);
  const int64_t part = input.dim(1).scale, columns = result.dim(1).scale;
  return check
      .is("rows", input, 0, DimExpr(rows.symbol, rows.scale * parts), "parts times the result's")
      .require(columns <= part * parts && columns > part * (parts - 1), [&](auto &&out) {
        out << "joins " << parts << " parts of " << part << " columns to " << columns
            << "; legal are " << part * (parts - 1) + 1 << " to " << part * parts;
      });
}

//===- llm.rank_constant ----------------------------------------------------------------------===//

LogicalResult RankConstantOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                               Adaptor adaptor, SmallVectorImpl<Type> &types) {
  auto type = dyn_cast<RankedTensorType>(adaptor.getValue().getType());
  if (!type || type.getRank() < 2)
    return emitOptionalError(location,
                             "a rank constant has a table for each rank, one after another");
  types.push_back(RankedTensorType::get(type.getShape().drop_front(), type.getElementType()));
  return success();
}

LogicalResult RankConstantOp::verify() {
  if (!isa<DenseElementsAttr>(getValue()))
    return emitOpError() << "holds no dense<...> elements";
  MeshAttr mesh = findMesh(*this);
  const int64_t tables = cast<RankedTensorType>(getValue().getType()).getDimSize(0);
  const int64_t ranks = mesh ? mesh.getRanks() : 1;
  if (tables != ranks)
    return emitOpError() << "has " << tables << " tables, but the mesh has " << ranks << " ranks";
  return success();
}

void RankConstantOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), getSymName());
}

} // namespace vinci::llm
