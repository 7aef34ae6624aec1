// How every value is spread over the ranks, derived anew. See Passes.td.
//
// Partition.cpp chooses how values are spread and rewrites ops to fit. Here nothing is chosen and
// nothing of what it found is used: weights, rank constants and the mesh say how they are spread
// themselves, the sharding rules say what ops make of it, and what does not fit is an error. Sizes
// are not looked at: the ops' verifiers compare those.
#include "passes/partition/Sharding.h"
#include "passes/passes.h"

#include "ir/llm/ShardingRule.h"

#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_VERIFYPARTITION
#include "passes/Passes.h.inc"

namespace {

/// How a value is spread over the ranks.
struct Spread {
  SmallVector<Axes, 3> dims; ///< by dimension: the axes that cut it
  Axes partial;              ///< it is a part of a sum over these axes
  Axes below;                ///< the columns of the ranks along these axes lie one below the other
  bool open = false; ///< the KV cache before anything is known to be in it: as what is appended

  bool operator==(const Spread &) const = default;
};
using Spreads = SmallVector<Spread>;

std::string text(const Axes &axes) {
  std::string list;
  for (int64_t axis : axes)
    list += (list.empty() ? "" : ", ") + std::to_string(axis);
  return "[" + list + "]";
}

/// "sharded along dimension 1 over axes [0], a part of a sum over axes [1]"; "whole".
std::string text(const Spread &spread) {
  std::string list;
  auto add = [&](const std::string &part) { list += (list.empty() ? "" : ", ") + part; };
  for (auto [dim, axes] : llvm::enumerate(spread.dims))
    if (!axes.empty())
      add("sharded along dimension " + std::to_string(dim) + " over axes " + text(axes));
  if (!spread.partial.empty())
    add("a part of a sum over axes " + text(spread.partial));
  if (!spread.below.empty())
    add("with the columns of axes " + text(spread.below) + " below each other");
  return list.empty() ? "whole" : list;
}

/// What is added to a product, once: null if nothing.
Value addendOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<llm::MatmulOp, llm::DynamicQuantMatmulOp, llm::WeightQuantMatmulOp>(
          [](auto product) { return product.getBias(); })
      .Case([](llm::QuantMatmulOp product) { return product.getQuantBias(); })
      .Default(Value());
}

//===- A body ---------------------------------------------------------------------------------===//

class BodyVerifier {
public:
  explicit BodyVerifier(llm::MeshAttr mesh) : mesh_(mesh) {}

  /// What the body returns if it is called with such arguments.
  FailureOr<Spreads> run(llm::BodyOp body, const Spreads &arguments);

private:
  /// A factor of an op's rule, and the first operand that says what cuts it.
  struct Factor {
    std::optional<Axes> axes;
    unsigned operand = 0, dim = 0;
  };

  LogicalResult visit(Operation *op);
  LogicalResult visitWeight(llm::WeightOp weight);
  LogicalResult visitRankConstant(llm::RankConstantOp constant);
  LogicalResult visitAllReduce(llm::AllReduceOp op);
  LogicalResult visitReduceScatter(llm::ReduceScatterOp op);
  LogicalResult visitAllGather(llm::AllGatherOp op);
  LogicalResult visitJoinColumns(llm::JoinColumnsOp op);
  LogicalResult visitWholeRows(llm::DynamicQuantizeOp op);
  LogicalResult visitCompute(Operation *op);
  FailureOr<SmallVector<Factor>> factorsOf(Operation *op, const llm::ShardingRule &rule);
  FailureOr<Axes> linearPartOf(Operation *op, const llm::ShardingRule &rule);
  LogicalResult verifyAddend(Operation *op, const Axes &summed);
  LogicalResult verifyStart(Operation *op, Value start, const Axes &axes, int64_t size);
  LogicalResult requireSums(Operation *op, Value input, const Axes &axes);

  const Spread &of(Value value) const { return spreads_.find(value)->second; }

  llm::MeshAttr mesh_;
  DenseMap<Value, Spread> spreads_;
  DenseMap<Value, Axes> toldApart_; ///< of rank constants: the axes along which they differ
};

LogicalResult BodyVerifier::visitWeight(llm::WeightOp weight) {
  const unsigned first = weight.getStack() ? 1 : 0;
  std::optional<Spread> common;
  for (llm::PieceAttr piece : weight.getPieceList()) {
    Spread spread;
    spread.dims.resize(weight.getResult().getType().getRank());
    for (llm::ShardAttr shard : piece.getShards()) {
      const Axes axes(shard.getAxes());
      switch (shard.getKind()) {
      case llm::ShardKind::Rows:
        spread.dims[first] = axes;
        break;
      case llm::ShardKind::Columns:
        spread.dims[first + 1] = axes;
        break;
      case llm::ShardKind::Stack:
        spread.dims[0] = axes;
        break;
      case llm::ShardKind::FirstOnly:
        spread.partial = axes;
        break;
      }
    }
    if (common && *common != spread)
      return weight.emitOpError() << "has pieces that ranks hold in different ways: one is "
                                  << text(*common) << ", \"" << piece.getSource().getValue()
                                  << "\" is " << text(spread);
    common = std::move(spread);
  }
  spreads_[weight] = std::move(*common);
  return success();
}

LogicalResult BodyVerifier::visitRankConstant(llm::RankConstantOp constant) {
  const auto type = cast<RankedTensorType>(constant.getValue().getType());
  const int64_t perRank = type.getNumElements() / type.getDimSize(0);
  const auto values =
      llvm::to_vector(cast<DenseElementsAttr>(constant.getValue()).getValues<Attribute>());
  Axes &axes = toldApart_[constant];
  int64_t stride = mesh_.getRanks();
  for (auto [axis, size] : llvm::enumerate(mesh_.getAxes())) {
    stride /= size;
    for (int64_t rank = 0; rank < mesh_.getRanks(); ++rank) {
      const int64_t first = rank - rank / stride % size * stride; // along the axis
      auto begin = values.begin();
      if (!std::equal(begin + rank * perRank, begin + (rank + 1) * perRank,
                      begin + first * perRank)) {
        axes.push_back(axis);
        break;
      }
    }
  }
  spreads_[constant].dims.resize(constant.getType().getRank());
  return success();
}

//===- Collectives ----------------------------------------------------------------------------===//

LogicalResult BodyVerifier::requireSums(Operation *op, Value input, const Axes &axes) {
  if (Axes more = without(axes, of(input).partial); !more.empty())
    return op->emitOpError() << "sums over axes " << text(more)
                             << " what is no part of a sum over them, but " << text(of(input))
                             << ": it would be multiplied";
  if (!of(input).below.empty())
    return op->emitOpError() << "takes a value " << text(of(input))
                             << "; only llm.join_columns does";
  return success();
}

LogicalResult BodyVerifier::visitAllReduce(llm::AllReduceOp op) {
  const Axes axes(op.getAxes());
  if (failed(requireSums(op, op.getInput(), axes)))
    return failure();
  Spread spread = of(op.getInput());
  spread.partial = without(spread.partial, axes);
  spreads_[op] = std::move(spread);
  return success();
}

LogicalResult BodyVerifier::visitReduceScatter(llm::ReduceScatterOp op) {
  const Axes axes(op.getAxes());
  if (failed(requireSums(op, op.getInput(), axes)))
    return failure();
  Spread spread = of(op.getInput());
  spread.partial = without(spread.partial, axes);
  unite(spread.dims[0], axes);
  spreads_[op] = std::move(spread);
  return success();
}

LogicalResult BodyVerifier::visitAllGather(llm::AllGatherOp op) {
  const Axes axes(op.getAxes());
  Spread spread = of(op.getInput());
  if (without(axes, spread.dims[0]).empty()) {
    spread.dims[0] = without(spread.dims[0], axes);
  } else if (spread.dims.size() == 2 && spread.dims[1] == axes && spread.below.empty()) {
    spread.below = axes;
    spread.dims[1].clear();
  } else {
    return op.emitOpError() << "gathers over axes " << text(axes)
                            << " what is neither in its rows nor in its columns sharded over them, "
                               "but "
                            << text(spread) << ": it would be repeated";
  }
  spreads_[op] = std::move(spread);
  return success();
}

LogicalResult BodyVerifier::visitJoinColumns(llm::JoinColumnsOp op) {
  Spread spread = of(op.getInput());
  const int64_t ranks = mesh_.getSize(spread.below);
  if (spread.below.empty() || ranks != int64_t(op.getParts()))
    return op.emitOpError() << "joins the columns of " << op.getParts() << " parts of a value "
                            << text(spread)
                            << "; it must be that of an llm.all_gather of as many ranks";
  spread.below.clear();
  spreads_[op] = std::move(spread);
  return success();
}

/// The scales of parts of rows, by the largest values of all parts: those of the axes over which
/// the rows are divided, and no others.
LogicalResult BodyVerifier::visitWholeRows(llm::DynamicQuantizeOp op) {
  const Spread &input = of(op.getInput()), &largest = of(op.getRowMax());
  if (!input.partial.empty() || !input.below.empty())
    return op.emitOpError() << "takes operand #0, " << text(input)
                            << ", and is not linear in it; it must be summed before";
  if (largest.below != input.dims[1] || largest.below.empty() || !largest.partial.empty() ||
      largest.dims[0] != input.dims[0])
    return op.emitOpError() << "has the largest values of rows " << text(largest)
                            << ", but a part of the rows that is " << text(input)
                            << "; they must be an llm.all_gather of llm.row_max over the axes of "
                               "their columns";
  spreads_[op.getResult()] = input;
  spreads_[op.getScale()].dims = {input.dims[0]};
  return success();
}

//===- Ops with rules -------------------------------------------------------------------------===//

/// What cuts each factor of the rule: all operands that have it must agree.
FailureOr<SmallVector<BodyVerifier::Factor>>
BodyVerifier::factorsOf(Operation *op, const llm::ShardingRule &rule) {
  SmallVector<Factor> factors(rule.whole.size());
  for (auto [index, value, dims] : llvm::enumerate(op->getOperands(), rule.operands)) {
    const Spread &spread = of(value);
    if (spread.open)
      continue;
    if (!spread.below.empty())
      return op->emitOpError() << "takes operand #" << index << " " << text(spread)
                               << "; only llm.join_columns does";
    for (auto [dim, axes, number] : llvm::enumerate(spread.dims, dims.factors)) {
      if (rule.whole[number] && !axes.empty())
        return op->emitOpError() << "wants dimension " << dim << " of operand #" << index
                                 << " whole, which is sharded over axes " << text(axes);
      Factor &factor = factors[number];
      if (factor.axes && *factor.axes != axes)
        return op->emitOpError() << "has dimension " << dim << " of operand #" << index
                                 << " sharded over axes " << text(axes) << ", but dimension "
                                 << factor.dim << " of operand #" << factor.operand
                                 << ", which must be divided alike, over axes "
                                 << text(*factor.axes);
      if (!factor.axes)
        factor = {axes, unsigned(index), unsigned(dim)};
    }
  }
  for (auto [i, a] : llvm::enumerate(factors))
    for (const Factor &b : ArrayRef(factors).drop_front(i + 1))
      if (a.axes && b.axes)
        if (Axes common = both(*a.axes, *b.axes); !common.empty())
          return op->emitOpError()
                 << "has dimension " << a.dim << " of operand #" << a.operand << " and dimension "
                 << b.dim << " of operand #" << b.operand << " both sharded over axes "
                 << text(common) << ": a rank would have a block of the result, not a part";
  return factors;
}

/// The axes over which everything that the op is linear in is a part of a sum; it is linear in
/// nothing else that is one.
FailureOr<Axes> BodyVerifier::linearPartOf(Operation *op, const llm::ShardingRule &rule) {
  std::optional<unsigned> first;
  for (auto [index, value, dims] : llvm::enumerate(op->getOperands(), rule.operands)) {
    const Axes &partial = of(value).partial;
    if (!dims.linear && !partial.empty() && value != addendOf(op))
      return op->emitOpError() << "takes operand #" << index << ", " << text(of(value))
                               << ", and is not linear in it; it must be summed before";
    if (!dims.linear)
      continue;
    if (first && partial != of(op->getOperand(*first)).partial) {
      auto describe = [&](unsigned operand) {
        const Axes &axes = of(op->getOperand(operand)).partial;
        return axes.empty() ? "which is none" : "which is a part of a sum over axes " + text(axes);
      };
      const bool swap = partial.empty();
      const unsigned part = swap ? *first : index, other = swap ? index : *first;
      return op->emitOpError() << "adds operand #" << part << ", a part of a sum over axes "
                               << text(of(op->getOperand(part)).partial) << ", to operand #"
                               << other << ", " << describe(other);
    }
    if (!first)
      first = index;
  }
  return first ? of(op->getOperand(*first)).partial : Axes();
}

/// A bias is added to one part of a sum.
LogicalResult BodyVerifier::verifyAddend(Operation *op, const Axes &summed) {
  Value addend = addendOf(op);
  if (!addend || of(addend).partial == summed)
    return success();
  if (of(addend).partial.empty())
    return op->emitOpError() << "adds its bias on every rank to a part of a sum over axes "
                             << text(summed)
                             << ": it would be multiplied; it must be first_only over them";
  return op->emitOpError() << "adds a bias that is " << text(of(addend)) << " to a product that is "
                           << (summed.empty() ? "none"
                                              : "a part of a sum over axes " + text(summed));
}

/// The rank along `axes` with place p begins at p * size.
LogicalResult BodyVerifier::verifyStart(Operation *op, Value start, const Axes &axes,
                                        int64_t size) {
  auto constant = start ? start.getDefiningOp<llm::RankConstantOp>() : llm::RankConstantOp();
  const Axes told = constant ? toldApart_[constant] : Axes();
  if (told != axes)
    return op->emitOpError() << "works on what is sharded over axes " << text(axes)
                             << ", but where a rank begins differs along axes " << text(told);
  if (axes.empty())
    return success();
  const auto values = cast<DenseElementsAttr>(constant.getValue()).getValues<int32_t>();
  for (auto [rank, value] : llvm::enumerate(values))
    if (const int64_t begin = mesh_.getIndex(axes, rank) * size; value != begin)
      return op->emitOpError() << "begins at " << value << " on rank " << rank
                               << ", whose part begins at " << begin;
  return success();
}

LogicalResult BodyVerifier::visitCompute(Operation *op) {
  FailureOr<llm::ShardingRule> rule = llm::shardingRuleOf(op);
  if (failed(rule))
    return failure();
  FailureOr<Axes> partial = linearPartOf(op, *rule);
  if (failed(partial))
    return failure();
  FailureOr<SmallVector<Factor>> factors = factorsOf(op, *rule);
  if (failed(factors))
    return failure();
  // What only results have is as rank constants tell ranks apart: rows of a rank's experts.
  Axes toldApart;
  for (Value operand : op->getOperands())
    if (auto found = toldApart_.find(operand); found != toldApart_.end())
      unite(toldApart, found->second);
  SmallVector<bool> kept(factors->size());
  for (const llm::ShardingRule::Dims &dims : rule->results)
    for (unsigned factor : dims.factors) {
      kept[factor] = true;
      if (!(*factors)[factor].axes && !rule->whole[factor])
        (*factors)[factor].axes = toldApart;
    }
  // What only operands have is summed over.
  Axes summed;
  for (auto [factor, isKept] : llvm::zip(*factors, kept))
    if (!isKept && factor.axes)
      unite(summed, *factor.axes);
  if (failed(verifyAddend(op, summed)))
    return failure();
  if (auto embedding = dyn_cast<llm::EmbeddingOp>(op))
    if (failed(verifyStart(op, embedding.getStart(), summed,
                           embedding.getTable().getType().getDimSize(0))))
      return failure();
  if (auto sort = dyn_cast<llm::ArgsortOp>(op))
    if (failed(verifyStart(op, sort.getFirst(), toldApart, sort.getNumExperts())))
      return failure();
  if (auto offsets = dyn_cast<llm::ExpertOffsetsOp>(op))
    if (failed(verifyStart(op, offsets.getFirst(), toldApart, offsets.getNumExperts())))
      return failure();
  unite(*partial, summed);
  for (auto [result, dims] : llvm::zip(op->getResults(), rule->results)) {
    Spread spread;
    for (unsigned factor : dims.factors)
      spread.dims.push_back((*factors)[factor].axes.value_or(Axes()));
    if (isa<RankedTensorType>(result.getType())) // a cache has the tokens of its ranks' sequences
      spread.partial = *partial;
    spreads_[result] = std::move(spread);
  }
  return success();
}

LogicalResult BodyVerifier::visit(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](llm::WeightOp weight) { return visitWeight(weight); })
      .Case([&](llm::RankConstantOp constant) { return visitRankConstant(constant); })
      .Case([&](llm::ConstantOp constant) {
        spreads_[constant].dims.resize(constant.getType().getRank());
        return success();
      })
      .Case([&](llm::KvCacheOp cache) {
        spreads_[cache].open = true;
        return success();
      })
      .Case([&](llm::AllReduceOp sum) { return visitAllReduce(sum); })
      .Case([&](llm::ReduceScatterOp sum) { return visitReduceScatter(sum); })
      .Case([&](llm::AllGatherOp gather) { return visitAllGather(gather); })
      .Case([&](llm::JoinColumnsOp join) { return visitJoinColumns(join); })
      .Case([&](llm::DynamicQuantizeOp quantize) {
        return quantize.getRowMax() ? visitWholeRows(quantize) : visitCompute(quantize);
      })
      .Default([&](Operation *other) { return visitCompute(other); });
}

FailureOr<Spreads> BodyVerifier::run(llm::BodyOp body, const Spreads &arguments) {
  for (auto [argument, spread] : llvm::zip(body.getBlock().getArguments(), arguments))
    spreads_[argument] = spread;
  for (Operation &op : body.getBlock().without_terminator())
    if (failed(visit(&op)))
      return failure();
  Operation *end = body.getBlock().getTerminator();
  Spreads results;
  for (auto [index, value] : llvm::enumerate(end->getOperands())) {
    results.push_back(of(value));
    if (!of(value).partial.empty() || !of(value).below.empty())
      return end->emitOpError() << "returns operand #" << index << ", " << text(of(value))
                                << "; only what needs no more of other ranks can be returned";
  }
  return results;
}

//===- All bodies -----------------------------------------------------------------------------===//

class VerifyPartition : public impl::VerifyPartitionBase<VerifyPartition> {
  void runOnOperation() override {
    mesh_ = llm::findMesh(getOperation());
    followed_.clear();
    if (mesh_ && failed(verify()))
      signalPassFailure();
  }

private:
  struct Followed {
    Spreads arguments, results;
  };

  LogicalResult verify();
  LogicalResult verifyEntry(llm::EntryOp entry);
  FailureOr<Spreads> follow(llm::BodyOp body, const Spreads &arguments);

  /// Rows of a step are cut along the axes of data, shares of them along all axes.
  Spread boundary(Type type) const {
    Spread spread;
    for (const llm::DimExpr &dim : llm::shapeOf(cast<RankedTensorType>(type))) {
      Axes &axes = spread.dims.emplace_back();
      if (!dim.isConstant())
        axes = Axes(mesh_.getData());
      if (dim.symbol == llm::Symbol::TokenShares)
        unite(axes, mesh_.getGroupAxes());
    }
    return spread;
  }
  Spreads boundary(TypeRange types) const {
    Spreads spreads;
    for (Type type : types)
      spreads.push_back(boundary(type));
    return spreads;
  }

  llm::MeshAttr mesh_;
  DenseMap<Operation *, Followed> followed_;
};

FailureOr<Spreads> VerifyPartition::follow(llm::BodyOp body, const Spreads &arguments) {
  FailureOr<Spreads> results = BodyVerifier(mesh_).run(body, arguments);
  if (succeeded(results))
    followed_[body] = {arguments, *results};
  return results;
}

LogicalResult VerifyPartition::verifyEntry(llm::EntryOp entry) {
  DenseMap<Value, Spread> spreads;
  for (Value argument : entry.getBlock().getArguments())
    spreads[argument] = boundary(argument.getType());
  for (auto call : entry.getBlock().getOps<llm::CallOp>()) {
    auto body = SymbolTable::lookupNearestSymbolFrom<llm::BodyOp>(call, call.getCalleeAttr());
    Spreads arguments;
    for (Value input : call.getInputs())
      arguments.push_back(spreads[input]);
    if (!followed_.contains(body) && failed(follow(body, arguments)))
      return failure();
    const Followed &followed = followed_[body];
    for (auto [index, now, before] : llvm::enumerate(arguments, followed.arguments))
      if (now != before)
        return call.emitOpError() << "passes argument #" << index << " of @" << call.getCallee()
                                  << " " << text(now) << ", and another call passes it "
                                  << text(before) << "; a body is one program for all its calls";
    for (auto [output, spread] : llvm::zip(call.getOutputs(), followed.results))
      spreads[output] = spread;
  }
  Operation *end = entry.getBlock().getTerminator();
  for (Value value : end->getOperands())
    if (const Spread wanted = boundary(value.getType()); spreads[value] != wanted)
      return end->emitOpError() << "returns the result of a step " << text(spreads[value])
                                << "; it must be " << text(wanted);
  return success();
}

LogicalResult VerifyPartition::verify() {
  for (auto entry : getOperation().getOps<llm::EntryOp>())
    if (failed(verifyEntry(entry)))
      return failure();
  for (auto body : getOperation().getOps<llm::BodyOp>())
    if (!followed_.contains(body) &&
        failed(follow(body, boundary(body.getBlock().getArgumentTypes()))))
      return failure();
  return success();
}

} // namespace
} // namespace vinci
