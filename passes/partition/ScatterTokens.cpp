// The residual stream by shares of the tokens. See Passes.td.
//
// Which values can be divided is found first, for the whole module, as bodies are shared by calls:
// everything that may be is assumed to be, and what does not bear the assumption out is taken back
// until nothing changes. Then types change, and gathers go before the other users.
#include "passes/partition/Sharding.h"
#include "passes/passes.h"

#include "ir/llm/Locations.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_SCATTERTOKENS
#include "passes/Passes.h.inc"

namespace {

class ScatterTokens;
constexpr StringLiteral passName = impl::ScatterTokensBase<ScatterTokens>::getArgumentName();

llm::BodyOp calleeOf(llm::CallOp call) {
  return SymbolTable::lookupNearestSymbolFrom<llm::BodyOp>(call, call.getCalleeAttr());
}

Operation *endOf(llm::BodyOp body) {
  return body.getBlock().getTerminator();
}

/// A row of columns for each token.
bool hasTokens(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != 2 || !isa<FloatType>(type.getElementType()))
    return false;
  return llm::shapeOf(type)[0] == llm::DimExpr(llm::Symbol::Tokens) && !type.isDynamicDim(1);
}

class TokenScatter {
public:
  TokenScatter(ModuleOp module, llm::MeshAttr mesh, llm::LimitsAttr limits)
      : module_(module), mesh_(mesh), limits_(limits), group_(mesh.getGroupAxes()),
        builder_(module.getContext()) {}

  LogicalResult run();

private:
  /// The values between bodies: a result of a body is one in all its calls.
  using BodyResult = std::pair<Operation *, unsigned>;

  void assume();
  bool takeBack();
  bool isBorneOut(Value value);
  bool isPassedOn(const BodyResult &result);
  LogicalResult requireLayers();
  void normBeforeGathering();
  void rewrite(llm::BodyOp body);
  void rewrite(llm::EntryOp entry);
  void gather(llm::BodyOp body, Value value);

  bool isDivided(Value value) const { return divided_.contains(value); }
  /// True for ops that work on shares, as their operands and results are.
  bool isRowwise(Operation *op) const {
    return isa<llm::AddOp, llm::RmsNormOp>(op) && isDivided(op->getResult(0));
  }
  RankedTensorType shareOf(RankedTensorType type) const {
    SmallVector<llm::DimExpr> shape = llm::shapeOf(type);
    shape[0].symbol = llm::Symbol::TokenShares;
    return llm::tensorOf(type.getElementType(), shape);
  }
  RankedTensorType shareOf(Value value) const {
    return shareOf(cast<RankedTensorType>(value.getType()));
  }

  ModuleOp module_;
  llm::MeshAttr mesh_;
  llm::LimitsAttr limits_;
  const Axes group_;
  OpBuilder builder_;
  DenseMap<Operation *, SmallVector<llm::CallOp>> calls_; ///< of each body
  llvm::DenseSet<Value> divided_;                         ///< in bodies
  llvm::DenseSet<BodyResult> dividedResults_;
};

//===- What can be divided --------------------------------------------------------------------===//

void TokenScatter::assume() {
  for (auto entry : module_.getOps<llm::EntryOp>())
    for (auto call : entry.getBlock().getOps<llm::CallOp>())
      calls_[calleeOf(call)].push_back(call);
  for (auto body : module_.getOps<llm::BodyOp>()) {
    if (!calls_.contains(body))
      continue;
    for (Value argument : body.getBlock().getArguments())
      if (hasTokens(argument))
        divided_.insert(argument);
    for (Operation &op : body.getBlock())
      if (isa<llm::AllReduceOp, llm::AddOp, llm::RmsNormOp>(op) && hasTokens(op.getResult(0)))
        divided_.insert(op.getResult(0));
    for (auto [index, value] : llvm::enumerate(endOf(body)->getOperands()))
      if (hasTokens(value))
        dividedResults_.insert({body, index});
  }
}

bool TokenScatter::isBorneOut(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return llvm::all_of(calls_[argument.getOwner()->getParentOp()], [&](llm::CallOp call) {
      auto passed = dyn_cast<OpResult>(call.getInputs()[argument.getArgNumber()]);
      return passed && dividedResults_.contains({calleeOf(cast<llm::CallOp>(passed.getOwner())),
                                                 passed.getResultNumber()});
    });
  Operation *op = value.getDefiningOp();
  if (auto sum = dyn_cast<llm::AllReduceOp>(op))
    return Axes(sum.getAxes()) == group_;
  if (auto norm = dyn_cast<llm::RmsNormOp>(op))
    return isDivided(norm.getInput());
  return llvm::all_of(op->getOperands(), [&](Value operand) { return isDivided(operand); });
}

/// Entries cannot gather: every call must take the result as it is.
bool TokenScatter::isPassedOn(const BodyResult &result) {
  if (!isDivided(endOf(cast<llm::BodyOp>(result.first))->getOperand(result.second)))
    return false;
  for (llm::CallOp call : calls_[result.first])
    for (OpOperand &use : call.getResult(result.second).getUses()) {
      auto next = dyn_cast<llm::CallOp>(use.getOwner());
      if (!next || !isDivided(calleeOf(next).getBlock().getArgument(use.getOperandNumber())))
        return false;
    }
  return true;
}

/// False once everything bears the others out.
bool TokenScatter::takeBack() {
  SmallVector<Value> values;
  for (Value value : divided_)
    if (!isBorneOut(value))
      values.push_back(value);
  SmallVector<BodyResult> results;
  for (const BodyResult &result : dividedResults_)
    if (!isPassedOn(result))
      results.push_back(result);
  for (Value value : values)
    divided_.erase(value);
  for (const BodyResult &result : results)
    dividedResults_.erase(result);
  return !values.empty() || !results.empty();
}

/// What layers pass on is the residual stream; it is divided in all of them or the pass is for
/// nothing.
LogicalResult TokenScatter::requireLayers() {
  auto refuse = [&](Value value) {
    Operation *op = value.getDefiningOp();
    InFlightDiagnostic error = op ? op->emitOpError() << "makes"
                                  : value.getParentBlock()->getParentOp()->emitOpError() << "takes";
    error << " what layers pass on, which is no sum over the axes [" << group_
          << "] of attention, so that its rows cannot be divided among them; sequence parallelism "
             "needs the vocabulary of the embedding to be divided as attention is: embed_tp "
          << mesh_.getSize(group_);
    return failure();
  };
  for (auto body : module_.getOps<llm::BodyOp>()) {
    if (!body.isLayered() || !calls_.contains(body))
      continue;
    for (auto [index, value] : llvm::enumerate(endOf(body)->getOperands())) {
      if (!hasTokens(value) || dividedResults_.contains({body, index}))
        continue;
      // The first body before the layers is where the stream begins.
      for (llm::CallOp call : calls_[body])
        for (Value input : call.getInputs())
          if (auto made = input.getDefiningOp<llm::CallOp>())
            if (llm::BodyOp maker = calleeOf(made); !maker.isLayered())
              if (Value source = endOf(maker)->getOperand(cast<OpResult>(input).getResultNumber());
                  source.getType() == value.getType() && !isDivided(source))
                return refuse(source);
      return refuse(value);
    }
  }
  return success();
}

//===- Rewriting ------------------------------------------------------------------------------===//

/// Norms of gathered rows: gathered rows of norms. The norm then is of a share.
void TokenScatter::normBeforeGathering() {
  SmallVector<llm::GatherRowsOp> gathers;
  module_.walk([&](llm::GatherRowsOp op) { gathers.push_back(op); });
  for (llm::GatherRowsOp rows : gathers) {
    auto norm = rows->hasOneUse() ? dyn_cast<llm::RmsNormOp>(*rows->user_begin()) : nullptr;
    if (!norm || !isDivided(rows.getInput()) || norm.getInput() != rows.getResult())
      continue;
    builder_.setInsertionPoint(norm);
    auto all = builder_.create<llm::RmsNormOp>(
        llm::madeOf(passName, {norm}), rows.getInput().getType(), rows.getInput(), norm.getWeight(),
        norm.getBias(), norm.getEpsAttr(), norm.getComputeAttr());
    auto normed = builder_.create<llm::GatherRowsOp>(llm::madeOf(passName, {rows}), norm.getType(),
                                                     all.getResult(), rows.getIndices());
    norm.replaceAllUsesWith(normed.getResult());
    norm.erase();
    rows.erase();
    divided_.insert(all.getResult());
  }
}

/// Gives the users of a divided value that want all rows all rows.
void TokenScatter::gather(llm::BodyOp body, Value value) {
  auto wantsAll = [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (isa<llm::ReturnOp>(user))
      return !dividedResults_.contains({body, use.getOperandNumber()});
    return !isRowwise(user);
  };
  Operation *first = nullptr;
  for (OpOperand &use : value.getUses())
    if (wantsAll(use) && (!first || use.getOwner()->isBeforeInBlock(first)))
      first = use.getOwner();
  if (!first)
    return;
  builder_.setInsertionPoint(first);
  auto all =
      builder_.create<llm::AllGatherOp>(llm::addedBy(passName, value.getLoc()), value.getType(),
                                        value, builder_.getDenseI64ArrayAttr(group_));
  value.replaceUsesWithIf(all.getResult(),
                          [&](OpOperand &use) { return use.getOwner() != all && wantsAll(use); });
}

void TokenScatter::rewrite(llm::BodyOp body) {
  SmallVector<Value> values;
  for (Value argument : body.getBlock().getArguments())
    if (isDivided(argument))
      values.push_back(argument);
  for (Operation &op : llvm::make_early_inc_range(body.getBlock())) {
    if (op.getNumResults() != 1 || !isDivided(op.getResult(0)))
      continue;
    Value value = op.getResult(0);
    if (auto sum = dyn_cast<llm::AllReduceOp>(op)) {
      builder_.setInsertionPoint(sum);
      // Of the whole type yet, as are the others until all gathers stand.
      value = builder_.create<llm::ReduceScatterOp>(llm::madeOf(passName, {sum}), sum.getType(),
                                                    sum.getInput(), sum.getAxesAttr());
      sum.replaceAllUsesWith(value);
      divided_.erase(sum.getResult());
      divided_.insert(value);
      sum.erase();
    }
    values.push_back(value);
  }
  for (Value value : values)
    gather(body, value);
  for (Value value : values)
    value.setType(shareOf(value));
  body.setFunctionType(FunctionType::get(body.getContext(), body.getBlock().getArgumentTypes(),
                                         endOf(body)->getOperandTypes()));
}

void TokenScatter::rewrite(llm::EntryOp entry) {
  for (auto call : entry.getBlock().getOps<llm::CallOp>())
    for (OpResult result : call->getResults())
      if (dividedResults_.contains({calleeOf(call), result.getResultNumber()}))
        result.setType(shareOf(result));
}

LogicalResult TokenScatter::run() {
  assume();
  while (takeBack()) {
  }
  if (failed(requireLayers()))
    return failure();
  normBeforeGathering();
  for (auto body : module_.getOps<llm::BodyOp>())
    if (calls_.contains(body))
      rewrite(body);
  for (auto entry : module_.getOps<llm::EntryOp>())
    rewrite(entry);
  module_->setAttr(llm::LlmDialect::limitsAttrName,
                   llm::LimitsAttr::get(module_.getContext(), limits_.getMaxSeqLen(),
                                        limits_.getMaxTokensPerStep(), limits_.getMaxBatch(),
                                        limits_.getKvBlocks(), limits_.getBlockSize(),
                                        mesh_.getSize(group_), limits_.getMaxLogitRows()));
  return success();
}

class ScatterTokens : public impl::ScatterTokensBase<ScatterTokens> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llm::MeshAttr mesh = llm::findMesh(module);
    llm::LimitsAttr limits = llm::findLimits(module);
    auto refuse = [&](const Twine &why) {
      emitError(module.getLoc()) << "sequence parallelism divides the tokens of a step among the "
                                    "ranks that share it, but "
                                 << why;
      signalPassFailure();
    };
    if (!mesh)
      return refuse("the module is for one device; legal is attn_tp 2 or more");
    if (!limits)
      return refuse("the module has no llm.limits");
    if (limits.getTokenShares())
      return refuse("they are divided already");
    if (mesh.getSize(mesh.getGroupAxes()) == 1)
      return refuse("each rank has a step of its own; legal is attn_tp 2 or more");
    if (failed(TokenScatter(module, mesh, limits).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace vinci
