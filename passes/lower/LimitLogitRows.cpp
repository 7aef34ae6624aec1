// Rows of logits, counted as such. See Passes.td.
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_LIMITLOGITROWS
#include "passes/Passes.h.inc"

namespace {

constexpr StringLiteral tokens = "tokens", logitRows = "logit_rows";

bool isArena(npu::OperandAttr operand) {
  return operand.getSpace() == npu::Space::Arena;
}

auto arenaOperands(ArrayAttr list) {
  return llvm::make_filter_range(list.getAsRange<npu::OperandAttr>(), isArena);
}

bool writesLogits(npu::LaunchOp launch) {
  return llvm::any_of(launch.getOutputs().getAsRange<npu::OperandAttr>(),
                      [](auto operand) { return operand.getSpace() == npu::Space::Output; });
}

/// Of a launch that works on a step's tokens, one by one.
StringAttr rowsOf(npu::LaunchOp launch) {
  auto rows = launch.getConstants().getAs<StringAttr>("rows");
  const bool gathers = launch.getConstants().contains("whole");
  return rows && rows.getValue().starts_with(tokens) && !gathers ? rows : StringAttr();
}

RankedTensorType inLogitRows(RankedTensorType type) {
  SmallVector<llm::DimExpr> shape = llm::shapeOf(type);
  for (llm::DimExpr &dim : shape)
    if (dim.symbol == llm::Symbol::Tokens)
      dim.symbol = llm::Symbol::LogitRows;
  return llm::tensorOf(type.getElementType(), shape);
}

class LimitLogitRows : public impl::LimitLogitRowsBase<LimitLogitRows> {
  void runOnOperation() override;
  void findUses();
  void limit(npu::BodyOp body);
  bool isLocal(npu::OperandAttr buffer, npu::BodyOp body);
  void retype(npu::LaunchOp launch);

  /// Of each buffer, the launches that read or write it.
  llvm::DenseMap<StringAttr, SmallVector<npu::LaunchOp>> users_;
  int64_t limited_ = 0;
};

void LimitLogitRows::findUses() {
  users_.clear();
  getOperation().walk([&](npu::LaunchOp launch) {
    for (ArrayAttr list : {launch.getOutputs(), launch.getInputs()})
      for (npu::OperandAttr operand : arenaOperands(list))
        users_[operand.getName().getAttr()].push_back(launch);
  });
}

bool LimitLogitRows::isLocal(npu::OperandAttr buffer, npu::BodyOp body) {
  return llvm::all_of(users_[buffer.getName().getAttr()],
                      [&](npu::LaunchOp user) { return user->getParentOp() == body; });
}

/// All launches whose results are of this body alone and are read by such launches alone.
void LimitLogitRows::limit(npu::BodyOp body) {
  llvm::SetVector<Operation *> launches;
  for (auto launch : body.getBlock().getOps<npu::LaunchOp>())
    if (rowsOf(launch) && llvm::all_of(arenaOperands(launch.getOutputs()),
                                       [&](auto operand) { return isLocal(operand, body); }))
      launches.insert(launch);
  const auto isAmong = [&](npu::LaunchOp launch) { return launches.contains(launch); };
  for (bool changed = true; changed;)
    changed = launches.remove_if([&](Operation *op) {
      return !llvm::all_of(arenaOperands(cast<npu::LaunchOp>(op).getOutputs()), [&](auto operand) {
        return llvm::all_of(users_[operand.getName().getAttr()], isAmong);
      });
    });
  for (Operation *launch : launches)
    retype(cast<npu::LaunchOp>(launch));
  limited_ += launches.size();
}

void LimitLogitRows::retype(npu::LaunchOp launch) {
  Builder builder(&getContext());
  NamedAttrList constants(launch.getConstants());
  const StringRef rows = rowsOf(launch).getValue();
  constants.set("rows", builder.getStringAttr(logitRows + rows.drop_front(tokens.size())));
  launch.setConstantsAttr(constants.getDictionary(&getContext()));
  for (npu::OperandAttr operand : arenaOperands(launch.getOutputs()))
    if (auto buffer = getOperation().lookupSymbol<npu::BufferOp>(operand.getName()))
      buffer.setType(inLogitRows(buffer.getTensorType()));
}

void LimitLogitRows::runOnOperation() {
  npu::ProgramOp program = getOperation();
  if (llm::LimitsAttr limits = llm::findLimits(program); !limits || !limits.getMaxLogitRows())
    return;
  limited_ = 0;
  findUses();
  for (auto body : program.getBody().getOps<npu::BodyOp>())
    if (llvm::any_of(body.getBlock().getOps<npu::LaunchOp>(), writesLogits))
      limit(body);
  for (auto entry : program.getBody().getOps<npu::EntryOp>()) {
    SmallVector<Type> results;
    for (Type result : entry.getFunctionType().getResults())
      results.push_back(inLogitRows(cast<RankedTensorType>(result)));
    entry.setFunctionType(
        FunctionType::get(&getContext(), entry.getFunctionType().getInputs(), results));
  }
  emitRemark(program.getLoc()) << "counts the rows of " << limited_
                               << " launches as rows of logits";
}

} // namespace
} // namespace vinci
