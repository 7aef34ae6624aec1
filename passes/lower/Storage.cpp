#include "passes/lower/Storage.h"

#include "ir/llm/StepInputs.h"
#include "ir/npu/Sizes.h"
#include "passes/lower/Kernels.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vinci {

std::string NameTable::unique(StringRef base) {
  std::string name = base.str();
  unsigned &next = next_[base];
  for (; !taken_.insert(name).second; name = (base + "." + Twine(next)).str())
    ++next;
  return name;
}

//===- Values and their classes ---------------------------------------------------------------===//

static llm::BodyOp calleeOf(llm::CallOp call) {
  return SymbolTable::lookupNearestSymbolFrom<llm::BodyOp>(call, call.getCalleeAttr());
}

static ValueRange returned(Block &block) {
  return block.getTerminator()->getOperands();
}

void Storage::addValue(Value value) {
  if (isa<RankedTensorType>(value.getType()))
    ids_.try_emplace(value, ids_.size());
}

void Storage::collect(ArrayRef<llm::BodyOp> bodies, ArrayRef<llm::EntryOp> entries) {
  auto addBlock = [&](Block &block) {
    for (Value argument : block.getArguments())
      addValue(argument);
    for (Operation &op : block)
      if (!isa<llm::WeightOp>(op))
        for (Value result : op.getResults())
          addValue(result);
  };
  for (llm::BodyOp body : bodies)
    addBlock(body.getBlock());
  for (llm::EntryOp entry : entries)
    addBlock(entry.getBlock());
}

LogicalResult Storage::joinValues(Operation *op, Value a, Value b) {
  for (Value value : {a, b})
    if (!ids_.contains(value))
      return op->emitOpError() << "returns a weight; only what the body computes can be returned";
  classes_.join(ids_[a], ids_[b]);
  return success();
}

LogicalResult Storage::join(ArrayRef<llm::EntryOp> entries) {
  llm::EntryOp first = entries.front();
  for (llm::EntryOp entry : entries) {
    for (auto [a, b] : llvm::zip(first.getBlock().getArguments(), entry.getBlock().getArguments()))
      classes_.join(ids_[a], ids_[b]);
    for (auto [a, b] : llvm::zip(returned(first.getBlock()), returned(entry.getBlock())))
      classes_.join(ids_[a], ids_[b]);
    for (auto call : entry.getBlock().getOps<llm::CallOp>()) {
      Block &block = calleeOf(call).getBlock();
      for (auto [operand, argument] : llvm::zip(call.getInputs(), block.getArguments()))
        classes_.join(ids_[operand], ids_[argument]);
      for (auto [result, value] : llvm::zip(call.getOutputs(), returned(block)))
        if (failed(joinValues(block.getTerminator(), result, value)))
          return failure();
    }
  }
  for (auto &[value, id] : ids_)
    if (Operation *op = value.getDefiningOp(); op && isAlias(op))
      classes_.join(id, ids_[op->getOperand(0)]);
  return success();
}

//===- Locations ------------------------------------------------------------------------------===//

/// What the name of a result has behind that of its op's first result.
static StringRef suffixOf(OpResult result) {
  Operation *op = result.getOwner();
  if (result.getResultNumber() == 0)
    return "";
  if (auto norm = dyn_cast<llm::RmsNormQuantOp>(op))
    return result == norm.getSum() ? ".sum" : ".scale";
  if (isa<llm::AddRmsNormOp>(op))
    return ".sum";
  return isa<llm::DynamicQuantizeOp, llm::SwigluQuantOp, llm::GroupedMatmulSwigluQuantOp>(op)
             ? ".scale"
             : "";
}

/// "q_proj" for the matmul with that weight, else the op's name: what a reader would call the
/// result.
static std::string resultName(OpResult result) {
  Operation *op = result.getOwner();
  // The scale that is quantised by has the name of one of the linears that may read the result.
  if (isa<llm::QuantizeOp, llm::DynamicQuantizeOp, llm::SwigluQuantOp>(op))
    return (op->getName().stripDialect() + suffixOf(result)).str();
  static constexpr StringLiteral split[] = {"query", "key", "value"};
  if (isa<llm::SplitQkvOp>(op))
    return split[result.getResultNumber()].str();
  if (isa<llm::AppendQkvOp>(op))
    return "query";
  for (Value operand : op->getOperands())
    if (auto weight = operand.getDefiningOp<llm::WeightOp>())
      return (weight.getSymName() + suffixOf(result)).str();
  if (isa<llm::RopeQkOp>(op))
    return result.getResultNumber() == 0 ? "rope_qk.query" : "rope_qk.key";
  static constexpr StringLiteral best[] = {"top_k.values", "top_k.indices"};
  static constexpr StringLiteral route[] = {"moe_route.weights", "moe_route.experts"};
  static constexpr StringLiteral sort[] = {"moe_sort.row_of", "moe_sort.position_of",
                                           "moe_sort.expert_offsets"};
  if (isa<llm::TopKOp>(op))
    return best[result.getResultNumber()].str();
  if (isa<llm::MoeRouteOp>(op))
    return route[result.getResultNumber()].str();
  if (isa<llm::MoeSortOp>(op))
    return sort[result.getResultNumber()].str();
  return op->getName().stripDialect().str();
}

Storage::Claim Storage::claim(Value value, NameTable &names) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    Operation *parent = argument.getOwner()->getParentOp();
    auto names = parent->getAttrOfType<ArrayAttr>("arg_names");
    std::string name = cast<StringAttr>(names[argument.getArgNumber()]).str();
    if (isa<llm::EntryOp>(parent))
      return {Claim::Fixed, npu::Space::Input, name};
    return {Claim::BodyArgument, npu::Space::Arena, name};
  }
  if (Operation *constant = value.getDefiningOp(); constant && isConstant(constant)) {
    auto symbol = constant->getAttrOfType<StringAttr>("sym_name");
    std::string &name = constantNames_[{symbol, constant->getAttr("value")}];
    if (name.empty())
      name = names.unique(symbol);
    return {Claim::Fixed, npu::Space::Constant, name};
  }
  // The result of a call has the name of what the body returns, which comes first.
  auto body = value.getDefiningOp()->getParentOfType<llm::BodyOp>();
  return {Claim::OpResult, npu::Space::Arena,
          body ? (body.getSymName() + "." + resultName(cast<OpResult>(value))).str() : ""};
}

static InFlightDiagnostic emitAt(Value value) {
  if (Operation *op = value.getDefiningOp())
    return op->emitOpError();
  return cast<BlockArgument>(value).getOwner()->getParentOp()->emitOpError();
}

LogicalResult Storage::locate(Value logits, NameTable &names) {
  classes_.compress();
  std::vector<std::optional<Claim>> best(classes_.getNumClasses());
  std::vector<Value> first(best.size());
  for (auto &[value, id] : ids_) {
    Claim mine = value == logits ? Claim{Claim::Fixed, npu::Space::Output, llm::logitsName.str()}
                                 : claim(value, names);
    std::optional<Claim> &other = best[classes_[id]];
    if (!other) {
      first[classes_[id]] = value;
      other = std::move(mine);
    } else if (mine.rank == Claim::Fixed && other->rank == Claim::Fixed) {
      if (mine.space != other->space || mine.name != other->name)
        return emitAt(value) << "would have '" << mine.name << "' and '" << other->name
                             << "' in one place, as calls pass both as the same argument of a "
                                "body; a body finds an "
                                "argument in the same place in every call";
    } else if (mine.rank > other->rank) {
      other = std::move(mine);
    }
  }
  for (auto [claim, value] : llvm::zip(best, first)) {
    std::string name = claim->space == npu::Space::Arena ? names.unique(claim->name) : claim->name;
    locations_.push_back(
        {claim->space, name, cast<RankedTensorType>(value.getType()), value.getLoc()});
  }
  return success();
}

npu::OperandAttr Storage::operandFor(Value value) const {
  const Location &location = locations_[classOf(value)];
  MLIRContext *context = value.getContext();
  return npu::OperandAttr::get(context, location.space,
                               FlatSymbolRefAttr::get(context, location.name));
}

//===- Values that are alive at the same time -------------------------------------------------===//

/// The value itself, behind its aliases.
static Value origin(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isAlias(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// The values that each class holds at some point of a body or of an entry. Several: a value passed
/// twice.
class Contents {
public:
  void add(unsigned place, Value value) { values_[place].push_back(value); }
  void clear(unsigned place) { values_[place].clear(); }
  bool holds(unsigned place, Value value) const {
    auto found = values_.find(place);
    return found != values_.end() && llvm::is_contained(found->second, value);
  }

private:
  llvm::DenseMap<unsigned, SmallVector<Value, 2>> values_;
};

LogicalResult Storage::checkRead(Operation *op, unsigned index, const Contents &contents) const {
  Value value = op->getOperand(index);
  if (!ids_.contains(value) || contents.holds(classOf(value), origin(value)))
    return success();
  return op->emitOpError()
         << "reads operand #" << index << " after '" << locations_[classOf(value)].name
         << "' was overwritten by a result that calls pass on in the same place; read it before";
}

LogicalResult Storage::checkWrite(Operation *op, Value result) const {
  const Location &location = locations_[classOf(result)];
  if (location.space == npu::Space::Input || location.space == npu::Space::Constant)
    return op->emitOpError() << "computes what some call passes where another passes '"
                             << location.name
                             << "'; a body finds an argument in the same place in every call";
  unsigned overwritable = npu::inPlaceInputs(op->getName().stripDialect());
  for (auto [index, operand] : llvm::enumerate(op->getOperands()))
    if (ids_.contains(operand) && classOf(operand) == classOf(result) && index >= overwritable)
      return op->emitOpError() << "would overwrite its operand #" << index
                               << ", as calls pass its result on in the place of '" << location.name
                               << "'; only elementwise ops and norms can do that";
  return success();
}

LogicalResult Storage::checkBody(llm::BodyOp body, llvm::DenseSet<unsigned> &written) const {
  Contents contents;
  for (Value argument : body.getBlock().getArguments())
    contents.add(classOf(argument), argument);
  for (Operation &op : body.getBlock()) {
    for (unsigned i = 0; i < op.getNumOperands(); ++i)
      if (failed(checkRead(&op, i, contents)))
        return failure();
    if (isConstant(&op))
      contents.add(classOf(op.getResult(0)), op.getResult(0));
    if (!isCompute(&op))
      continue;
    for (Value result : op.getResults()) {
      if (!ids_.contains(result))
        continue;
      if (failed(checkWrite(&op, result)))
        return failure();
      contents.clear(classOf(result));
      contents.add(classOf(result), result);
      written.insert(classOf(result));
    }
  }
  return success();
}

LogicalResult Storage::checkEntry(llm::EntryOp entry, const WrittenBy &written) const {
  Contents contents;
  for (Value argument : entry.getBlock().getArguments())
    contents.add(classOf(argument), argument);
  for (Operation &op : entry.getBlock()) {
    for (unsigned i = 0; i < op.getNumOperands(); ++i)
      if (failed(checkRead(&op, i, contents)))
        return failure();
    auto call = dyn_cast<llm::CallOp>(op);
    if (!call)
      continue;
    for (unsigned place : written.find(calleeOf(call))->second)
      contents.clear(place);
    for (Value result : call.getOutputs())
      contents.add(classOf(result), result);
  }
  return success();
}

FailureOr<Storage> Storage::assign(ArrayRef<llm::BodyOp> bodies, ArrayRef<llm::EntryOp> entries,
                                   NameTable &names) {
  Storage storage;
  storage.collect(bodies, entries);
  storage.classes_.grow(storage.ids_.size());
  llm::EntryOp first = entries.front();
  if (failed(storage.join(entries)) ||
      failed(storage.locate(returned(first.getBlock()).front(), names)))
    return failure();
  WrittenBy written;
  for (llm::BodyOp body : bodies)
    if (failed(storage.checkBody(body, written[body])))
      return failure();
  for (llm::EntryOp entry : entries)
    if (failed(storage.checkEntry(entry, written)))
      return failure();
  return storage;
}

} // namespace vinci
