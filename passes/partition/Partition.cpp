// One model for one device -> one program for all ranks. See Passes.td.
//
// A single walk over each body: weights are placed (Placement.h), and every op tells by its
// sharding rule what the sharding of its operands makes of its results. Where an op cannot take a
// value as it is spread, the value is made so first, by a collective.
#include "passes/partition/Placement.h"
#include "passes/passes.h"

#include "ir/llm/Locations.h"
#include "ir/llm/ShardingRule.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_PARTITION
#include "passes/Passes.h.inc"

namespace {

class Partition;
constexpr StringLiteral passName = impl::PartitionBase<Partition>::getArgumentName();

class BodyPartitioner {
public:
  BodyPartitioner(llm::BodyOp body, llm::MeshAttr mesh, const ParallelAxes &axes)
      : body_(body), mesh_(mesh), axes_(axes), builder_(body.getContext()) {
    for (auto cache : body.getBlock().getOps<llm::KvCacheOp>())
      kvHeads_ = cache.getResult().getType().getHeads();
  }

  LogicalResult run();

private:
  /// A factor of an op's rule: what it is sharded over.
  struct Factor {
    std::optional<Axes> axes;
    bool imposed = false; ///< by a weight or the KV cache, which cannot be moved
    int64_t parts = 1;
    bool byExpert = false;
  };

  bool place(Operation *op);
  LogicalResult visit(Operation *op);
  LogicalResult visitCompute(Operation *op);
  LogicalResult visitReturn(llm::ReturnOp op);
  LogicalResult visitSort(llm::ArgsortOp op);
  template <typename Op> Axes sortOwnExperts(Op op);
  SmallVector<Factor> factorsOf(Operation *op, const llm::ShardingRule &rule, bool keepsPartial);
  bool keepsPartial(Operation *op, const llm::ShardingRule &rule);
  void setResults(Operation *op, const llm::ShardingRule &rule, ArrayRef<Factor> factors,
                  Axes partial);

  FailureOr<Value> reshard(Operation *user, Value value, const SmallVector<Axes> &wanted,
                           bool keepPartial);
  FailureOr<Value> gather(Operation *user, Value value, unsigned dim, const Axes &axes);
  Value rankConstant(Location loc, StringRef name, const Axes &axes, int64_t step);

  /// What is spread over the ranks from the start: rows of a step over the axes of data.
  Sharding boundary(Type type) const;
  RankedTensorType localType(RankedTensorType whole, const Sharding &sharding) const;
  bool isFixed(Value value) const {
    return isa<llm::KvCacheType>(value.getType()) || value.getDefiningOp<llm::WeightOp>();
  }
  const Sharding &of(Value value) const { return shardings_.find(value)->second; }

  llm::BodyOp body_;
  llm::MeshAttr mesh_;
  const ParallelAxes &axes_;
  OpBuilder builder_;
  int64_t kvHeads_ = 1;
  DenseMap<Value, Sharding> shardings_;
  DenseMap<Value, RankedTensorType> whole_; ///< types before partitioning
  /// What a value has been made into already.
  DenseMap<Value, SmallVector<std::pair<SmallVector<Axes>, Value>>> resharded_;
};

//===- Types ----------------------------------------------------------------------------------===//

Sharding BodyPartitioner::boundary(Type type) const {
  Sharding sharding;
  auto tensor = cast<RankedTensorType>(type);
  for (const llm::DimExpr &dim : llm::shapeOf(tensor))
    if (dim.isConstant())
      sharding.dims.emplace_back();
    else
      sharding.dims.push_back({axes_.data, mesh_.getSize(axes_.data)});
  return sharding;
}

/// `whole` counts rows as one rank of the data axes has them: gathered rows are so many times more.
RankedTensorType BodyPartitioner::localType(RankedTensorType whole,
                                            const Sharding &sharding) const {
  SmallVector<llm::DimExpr> shape = llm::shapeOf(whole);
  for (auto [size, dim] : llvm::zip(shape, sharding.dims))
    if (size.isConstant())
      size.scale = (size.scale + dim.parts - 1) / dim.parts;
    else
      size.scale *= mesh_.getSize(without(axes_.data, dim.byExpert ? Axes() : dim.axes));
  return llm::tensorOf(whole.getElementType(), shape);
}

//===- Resharding -----------------------------------------------------------------------------===//

FailureOr<Value> BodyPartitioner::gather(Operation *user, Value value, unsigned dim,
                                         const Axes &axes) {
  auto type = cast<RankedTensorType>(value.getType());
  const int64_t ranks = mesh_.getSize(axes);
  SmallVector<llm::DimExpr> shape = llm::shapeOf(type);
  shape[0].scale *= ranks;
  auto attr = builder_.getDenseI64ArrayAttr(axes);
  Location loc = llm::addedBy(passName, value.getLoc());
  Value gathered = builder_.create<llm::AllGatherOp>(
      loc, llm::tensorOf(type.getElementType(), shape), value, attr);
  if (dim == 0)
    return gathered;
  const bool all = of(value).dims[dim].axes == axes && of(value).dims[dim].parts == ranks;
  if (!all || type.getRank() != 2 || dim != 1)
    return user->emitOpError() << "needs dimension " << dim << " of a value of type " << type
                               << " whole, which is sharded over axes [" << axes
                               << "]; only rows, and columns of matrices, can be gathered";
  shape = llm::shapeOf(type);
  shape[1] = llm::shapeOf(whole_[value])[1];
  return Value(builder_.create<llm::JoinColumnsOp>(loc, llm::tensorOf(type.getElementType(), shape),
                                                   gathered, ranks));
}

/// `value` with its dimensions sharded over the wanted axes, and no partial sum unless
/// `keepPartial`.
FailureOr<Value> BodyPartitioner::reshard(Operation *user, Value value,
                                          const SmallVector<Axes> &wanted, bool keepPartial) {
  const Sharding from = of(value);
  Axes partial = keepPartial ? Axes() : from.partial;
  bool same = partial.empty();
  for (auto [dim, axes] : llvm::zip(from.dims, wanted))
    same &= dim.axes == axes;
  if (same)
    return value;
  for (auto &[known, result] : resharded_[value])
    if (known == wanted && !keepPartial)
      return result;

  builder_.setInsertionPoint(user);
  RankedTensorType whole = whole_[value];
  Value current = value;
  Sharding state = from;
  auto became = [&](Value next) {
    current = next;
    shardings_[current] = state;
    whole_[current] = whole;
  };
  Location loc = llm::addedBy(passName, value.getLoc());
  // Sums first: with them, rows can go to the ranks that want them.
  if (Axes scattered = both(without(wanted[0], state.dims[0].axes), partial); !scattered.empty()) {
    unite(state.dims[0].axes, scattered);
    state.dims[0].parts = mesh_.getSize(state.dims[0].axes);
    state.partial = without(state.partial, scattered);
    partial = without(partial, scattered);
    became(builder_.create<llm::ReduceScatterOp>(loc, localType(whole, state), current,
                                                 builder_.getDenseI64ArrayAttr(scattered)));
  }
  if (!partial.empty()) {
    state.partial = without(state.partial, partial);
    became(builder_.create<llm::AllReduceOp>(loc, current.getType(), current,
                                             builder_.getDenseI64ArrayAttr(partial)));
  }
  for (unsigned dim = 0; dim < wanted.size(); ++dim) {
    Axes axes = without(state.dims[dim].axes, wanted[dim]);
    if (!axes.empty()) {
      FailureOr<Value> gathered = gather(user, current, dim, axes);
      if (failed(gathered))
        return failure();
      state.dims[dim].axes = without(state.dims[dim].axes, axes);
      state.dims[dim].parts = mesh_.getSize(state.dims[dim].axes);
      became(*gathered);
    }
    if (state.dims[dim].axes != wanted[dim])
      return user->emitOpError() << "needs dimension " << dim << " of a value of type "
                                 << current.getType() << " sharded over axes [" << wanted[dim]
                                 << "], but is not spread so; there is no op that takes a part";
  }
  if (!keepPartial)
    resharded_[value].emplace_back(wanted, current);
  return current;
}

//===- Ops ------------------------------------------------------------------------------------===//

/// True for the op that begins what experts do: it and all that follows sees the tokens of every
/// rank, so that they are gathered once.
static bool routesTokens(Operation *op) {
  auto matmul = dyn_cast<llm::MatmulOp>(op);
  auto weight = matmul ? matmul.getWeight().getDefiningOp<llm::WeightOp>() : llm::WeightOp();
  return weight && weight.getSymName() == "router";
}

/// The result is a partial sum if everything that the op is linear in is one over the same axes.
bool BodyPartitioner::keepsPartial(Operation *op, const llm::ShardingRule &rule) {
  std::optional<Axes> common;
  for (auto [operand, dims] : llvm::zip(op->getOperands(), rule.operands)) {
    if (!dims.linear)
      continue;
    if (of(operand).partial.empty() || (common && *common != of(operand).partial))
      return false;
    common = of(operand).partial;
  }
  return common.has_value();
}

SmallVector<BodyPartitioner::Factor>
BodyPartitioner::factorsOf(Operation *op, const llm::ShardingRule &rule, bool keepsPartial) {
  SmallVector<Factor> factors(rule.whole.size());
  auto each = [&](auto function) {
    for (auto [operand, dims] : llvm::zip(op->getOperands(), rule.operands))
      for (auto [dim, factor] : llvm::zip(of(operand).dims, dims.factors))
        function(operand, dims.linear, dim, factors[factor], bool(rule.whole[factor]));
  };
  // What cannot be moved decides; an axis that it uses is not free for another factor.
  Axes busy = routesTokens(op) ? axes_.data : Axes();
  each([&](Value operand, bool, const DimSharding &dim, Factor &factor, bool) {
    if (!isFixed(operand))
      return;
    factor.axes = dim.axes;
    factor.imposed = true;
    unite(busy, dim.axes);
  });
  // Nor is one that a sum goes over.
  for (auto [operand, dims] : llvm::zip(op->getOperands(), rule.operands))
    if (dims.linear && keepsPartial)
      unite(busy, of(operand).partial);
  // Then values as they are spread. Partial sums come last: summing can spread them as others are.
  for (bool sums : {false, true})
    each([&](Value operand, bool linear, const DimSharding &dim, Factor &factor, bool whole) {
      const bool isSum = !of(operand).partial.empty() && !(linear && keepsPartial);
      if (isFixed(operand) || factor.imposed || isSum != sums)
        return;
      Axes free = whole ? Axes() : dim.byExpert ? dim.axes : without(dim.axes, busy);
      if (!factor.axes)
        factor.axes = free;
      else if (!sums)
        factor.axes = both(*factor.axes, free);
    });
  return factors;
}

void BodyPartitioner::setResults(Operation *op, const llm::ShardingRule &rule,
                                 ArrayRef<Factor> factors, Axes partial) {
  // A factor that is sharded and not in the results is summed over.
  SmallVector<bool> kept(factors.size());
  for (const llm::ShardingRule::Dims &dims : rule.results)
    for (unsigned factor : dims.factors)
      kept[factor] = true;
  for (auto [factor, isKept] : llvm::zip(factors, kept))
    if (!isKept && factor.axes)
      unite(partial, *factor.axes);
  for (auto [result, dims] : llvm::zip(op->getResults(), rule.results)) {
    Sharding sharding;
    for (unsigned factor : dims.factors)
      sharding.dims.push_back(
          {factors[factor].axes.value_or(Axes()), factors[factor].parts, factors[factor].byExpert});
    sharding.partial = partial;
    if (auto type = dyn_cast<RankedTensorType>(result.getType())) {
      whole_[result] = type;
      result.setType(localType(type, sharding));
    } else { // the KV cache that is appended to
      result.setType(op->getOperand(2).getType());
    }
    shardings_[result] = sharding;
  }
}

LogicalResult BodyPartitioner::visitCompute(Operation *op) {
  FailureOr<llm::ShardingRule> rule = llm::shardingRuleOf(op);
  if (failed(rule))
    return failure();
  const bool partial = keepsPartial(op, *rule);
  SmallVector<Factor> factors = factorsOf(op, *rule, partial);
  Axes partialAxes;
  SmallVector<bool> hasParts(factors.size());
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    Value operand = op->getOperand(i);
    const llm::ShardingRule::Dims &dims = rule->operands[i];
    SmallVector<Axes> wanted;
    for (unsigned factor : dims.factors)
      wanted.push_back(factors[factor].axes.value_or(Axes()));
    FailureOr<Value> made = isFixed(operand) ? FailureOr<Value>(operand)
                                             : reshard(op, operand, wanted, dims.linear && partial);
    if (failed(made))
      return failure();
    op->setOperand(i, *made);
    if (dims.linear && partial)
      partialAxes = of(*made).partial;
    for (auto [dim, factor] : llvm::zip(of(*made).dims, dims.factors)) {
      factors[factor].byExpert |= dim.byExpert;
      if (!std::exchange(hasParts[factor], true))
        factors[factor].parts = dim.parts;
    }
  }
  setResults(op, *rule, factors, partialAxes);
  return success();
}

LogicalResult BodyPartitioner::visitReturn(llm::ReturnOp op) {
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    SmallVector<Axes> wanted;
    for (const DimSharding &dim : boundary(whole_[op->getOperand(i)]).dims)
      wanted.push_back(dim.axes);
    FailureOr<Value> made = reshard(op, op->getOperand(i), wanted, false);
    if (failed(made))
      return failure();
    op->setOperand(i, *made);
  }
  return success();
}

/// `step` times this rank's place along the axes: one constant for all users in the body.
Value BodyPartitioner::rankConstant(Location loc, StringRef name, const Axes &axes, int64_t step) {
  SmallVector<int32_t> values;
  for (int64_t rank = 0; rank < mesh_.getRanks(); ++rank)
    values.push_back(int32_t(mesh_.getIndex(axes, rank) * step));
  auto type = RankedTensorType::get({mesh_.getRanks(), 1}, builder_.getI32Type());
  auto value = DenseElementsAttr::get(type, ArrayRef(values));
  for (auto known : body_.getBlock().getOps<llm::RankConstantOp>())
    if (known.getSymName() == name && known.getValue() == value)
      return known;
  builder_.setInsertionPointToStart(&body_.getBlock());
  Value constant = builder_.create<llm::RankConstantOp>(loc, builder_.getStringAttr(name), value);
  shardings_[constant].dims.resize(1);
  whole_[constant] = cast<RankedTensorType>(constant.getType());
  return constant;
}

/// Where experts are divided among ranks, those that a rank sorts by are the ones that it has: of
/// the weights that are read with the result. Returns the axes; none if every rank has all experts.
template <typename Op> Axes BodyPartitioner::sortOwnExperts(Op op) {
  llm::WeightOp sharded;
  for (Operation *user : op.getResult().getUsers())
    for (Value operand : user->getOperands())
      if (auto weight = operand.getDefiningOp<llm::WeightOp>())
        if (!of(operand).dims[0].axes.empty())
          sharded = weight;
  if (!sharded)
    return {};
  const Axes axes = of(sharded).dims[0].axes;
  const int64_t experts = sharded.getResult().getType().getDimSize(0);
  op.setNumExperts(experts);
  op.getFirstMutable().assign(rankConstant(op.getLoc(), "first_expert", axes, experts));
  return axes;
}

/// A rank has the rows of its experts only.
LogicalResult BodyPartitioner::visitSort(llm::ArgsortOp op) {
  const Axes axes = sortOwnExperts(op);
  if (failed(visitCompute(op)))
    return failure();
  shardings_[op.getResult()].dims[0] = {axes, 1, !axes.empty()};
  return success();
}

/// Weights, the KV cache and constants. True if `op` is one.
bool BodyPartitioner::place(Operation *op) {
  if (auto weight = dyn_cast<llm::WeightOp>(op)) {
    whole_[weight] = weight.getResult().getType();
    shardings_[weight] = placeWeight(weight, axes_, kvHeads_);
    return true;
  }
  if (auto cache = dyn_cast<llm::KvCacheOp>(op)) {
    shardings_[cache] = placeKvCache(cache, axes_);
    return true;
  }
  if (auto constant = dyn_cast<llm::ConstantOp>(op)) {
    whole_[constant] = cast<RankedTensorType>(constant.getType());
    shardings_[constant] = boundary(constant.getType());
    return true;
  }
  return false;
}

LogicalResult BodyPartitioner::visit(Operation *op) {
  if (auto results = dyn_cast<llm::ReturnOp>(op))
    return visitReturn(results);
  if (auto sort = dyn_cast<llm::ArgsortOp>(op))
    return visitSort(sort);
  if (auto offsets = dyn_cast<llm::ExpertOffsetsOp>(op)) {
    sortOwnExperts(offsets);
    offsets.getResult().setType(
        RankedTensorType::get({int64_t(offsets.getNumExperts()) + 1}, builder_.getI32Type()));
  }
  if (auto embedding = dyn_cast<llm::EmbeddingOp>(op))
    if (const Axes &axes = of(embedding.getTable()).dims[0].axes; !axes.empty())
      embedding.getStartMutable().assign(
          rankConstant(embedding.getLoc(), "vocab_start", Axes(axes),
                       embedding.getTable().getType().getDimSize(0)));
  return visitCompute(op);
}

LogicalResult BodyPartitioner::run() {
  for (Value argument : body_.getBlock().getArguments()) {
    whole_[argument] = cast<RankedTensorType>(argument.getType());
    shardings_[argument] = boundary(argument.getType());
  }
  SmallVector<Operation *> ops;
  for (Operation &op : body_.getBlock())
    if (!place(&op))
      ops.push_back(&op);
  for (Operation *op : ops)
    if (failed(visit(op)))
      return failure();
  return success();
}

class Partition : public impl::PartitionBase<Partition> {
public:
  using PartitionBase::PartitionBase;

  void runOnOperation() override {
    if (failed(partition()))
      signalPassFailure();
  }

private:
  LogicalResult partition() {
    ModuleOp module = getOperation();
    const ParallelDegrees degrees = {world, attentionTp, moeTp, embeddingTp, lmHeadTp};
    if (std::string problem = findProblem(degrees); !problem.empty())
      return emitError(module.getLoc()) << problem;
    if (degrees.world == 1)
      return success();
    if (llm::findMesh(module))
      return emitError(module.getLoc()) << "the module has a mesh already: it is partitioned, and "
                                           "can be compiled for no other degrees";
    const ParallelAxes axes = axesOf(degrees);
    auto mesh = llm::MeshAttr::get(&getContext(), axes.mesh, axes.data);
    module->setAttr(llm::LlmDialect::meshAttrName, mesh);
    for (auto body : module.getOps<llm::BodyOp>())
      if (failed(checkDegrees(body, degrees)))
        return failure();
    for (auto body : module.getOps<llm::BodyOp>())
      if (failed(BodyPartitioner(body, mesh, axes).run()))
        return failure();
    return success();
  }
};

} // namespace
} // namespace vinci
