#include "passes/fusion/Concat.h"

#include "ir/llm/Pieces.h"
#include "passes/fusion/Fusion.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vinci {
namespace {

/// The operands with a row for each column of the result.
struct RowOperands {
  unsigned begin = 0, end = 0;
};

RowOperands rowOperands(Operation *op) {
  const unsigned all = op->getNumOperands();
  return llvm::TypeSwitch<Operation *, RowOperands>(op)
      .Case<llm::MatmulOp, llm::QuantMatmulOp, llm::WeightQuantMatmulOp>([&](auto) {
        return RowOperands{1, all};
      })
      .Case<llm::DynamicQuantMatmulOp>([&](auto) {
        return RowOperands{2, all};
      })
      .Case<llm::GroupedMatmulOp>([](auto) {
        return RowOperands{1, 2};
      })
      .Case<llm::GroupedDynamicQuantMatmulOp>([](auto) {
        return RowOperands{2, 4};
      })
      .Case<llm::GroupedWeightQuantMatmulOp>([](auto) {
        return RowOperands{1, 3};
      })
      .Default([](Operation *) { return RowOperands{}; });
}

/// Equal for certain: one value, or quantised alike.
bool sameValue(Value a, Value b) {
  if (a == b)
    return true;
  if (auto first = a.getDefiningOp<llm::QuantizeOp>())
    if (auto second = b.getDefiningOp<llm::QuantizeOp>())
      return first.getInput() == second.getInput() &&
             sameDeclared(first.getScale(), second.getScale()) &&
             sameDeclared(first.getOffset(), second.getOffset());
  if (auto first = a.getDefiningOp<llm::DynamicQuantizeOp>())
    if (auto second = b.getDefiningOp<llm::DynamicQuantizeOp>())
      return first.getInput() == second.getInput() && first.getRowMax() == second.getRowMax() &&
             cast<OpResult>(a).getResultNumber() == cast<OpResult>(b).getResultNumber();
  return false;
}

Type elementType(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

std::optional<std::string> whyNotJoined(Operation *first, Operation *other) {
  if (first->getName() != other->getName())
    return ("they are " + first->getName().getStringRef() + " and " +
            other->getName().getStringRef())
        .str();
  if (first->getNumOperands() != other->getNumOperands())
    return "some have a bias, and some have not";
  const auto [begin, end] = rowOperands(first);
  for (unsigned i = 0; i < first->getNumOperands(); ++i) {
    Value a = first->getOperand(i), b = other->getOperand(i);
    if ((i < begin || i >= end) && !sameValue(a, b))
      return a.getDefiningOp<llm::QuantizeOp>() && b.getDefiningOp<llm::QuantizeOp>() &&
                     a.getDefiningOp()->getOperand(0) == b.getDefiningOp()->getOperand(0)
                 ? "each has an input scale of its own"
                 : "they read different inputs";
  }
  if (first->getAttrDictionary() != other->getAttrDictionary() ||
      elementType(first->getResult(0)) != elementType(other->getResult(0)))
    return "their results are of different types";
  return std::nullopt;
}

/// `name`, or with a number if something in the body has that name.
std::string uniqueName(Block &block, const std::string &name) {
  auto taken = [&](StringRef candidate) {
    return llvm::any_of(block, [&](Operation &op) {
      auto symbol = op.getAttrOfType<StringAttr>("sym_name");
      return symbol && symbol == candidate;
    });
  };
  std::string unique = name;
  for (unsigned i = 1; taken(unique); ++i)
    unique = name + "." + std::to_string(i);
  return unique;
}

/// One weight with the pieces of all.
Value joinWeights(OpBuilder &builder, ArrayRef<llm::WeightOp> weights, const std::string &name) {
  llm::WeightOp first = weights.front();
  const bool stacked = first.getStack().has_value();
  SmallVector<llm::DimExpr> shape = llm::shapeOf(first.getResult().getType());
  llm::DimExpr &rows = shape[stacked ? 1 : 0];
  rows = 0;
  SmallVector<Attribute> pieces;
  for (llm::WeightOp weight : weights) {
    RankedTensorType type = weight.getResult().getType();
    rows.scale += type.getDimSize(stacked ? 1 : 0);
    for (llm::PieceAttr piece : weight.getPieceList())
      pieces.push_back(llm::PieceAttr::get(builder.getContext(), piece.getSource(),
                                           llm::checkpointShape(piece, type, stacked),
                                           piece.getShards()));
  }
  return builder.create<llm::WeightOp>(first.getLoc(), llm::tensorOf(elementType(first), shape),
                                       builder.getStringAttr(uniqueName(*builder.getBlock(), name)),
                                       builder.getArrayAttr(pieces), first.getStackAttr(),
                                       ArrayAttr());
}

} // namespace

bool isProjection(Operation *op) {
  return rowOperands(op).end != 0;
}

std::optional<std::string> whyNotJoined(ArrayRef<Operation *> projections) {
  for (Operation *other : projections.drop_front())
    if (auto why = whyNotJoined(projections.front(), other))
      return why;
  for (Operation *projection : projections) {
    const auto [begin, end] = rowOperands(projection);
    for (Value weight : projection->getOperands().slice(begin, end - begin)) {
      if (!weight.getDefiningOp<llm::WeightOp>())
        return "a weight is not declared by llm.weight";
      if (weight.getDefiningOp<llm::WeightOp>().getEqual())
        return "a weight is declared to be equal to other tensors";
      if (!weight.hasOneUse())
        return "something else reads one of the weights";
    }
  }
  return std::nullopt;
}

Value join(ArrayRef<Operation *> projections, StringRef name, StringRef pass) {
  Operation *first = *llvm::min_element(
      projections, [](Operation *a, Operation *b) { return a != b && a->isBeforeInBlock(b); });
  OpBuilder builder(first);
  SmallVector<Value> operands(first->getOperands());
  const auto [begin, end] = rowOperands(first);
  std::string matrix;
  for (unsigned i = begin; i < end; ++i) {
    SmallVector<llm::WeightOp> weights;
    for (Operation *projection : projections)
      weights.push_back(projection->getOperand(i).getDefiningOp<llm::WeightOp>());
    // "q_proj" and "q_proj.bias" become "qkv_proj" and "qkv_proj.bias".
    StringRef own = weights.front().getSymName();
    if (i == begin)
      matrix = own.str();
    const bool belongs = own.consume_front(matrix);
    operands[i] =
        joinWeights(builder, weights, (name + (belongs ? own : "." + Twine(i).str())).str());
  }
  auto type = cast<RankedTensorType>(first->getResult(0).getType());
  SmallVector<llm::DimExpr> shape = llm::shapeOf(type);
  shape.back() = 0;
  for (Operation *projection : projections)
    shape.back().scale += cast<RankedTensorType>(projection->getResult(0).getType()).getDimSize(1);
  OperationState state(llm::madeOf(pass, projections), first->getName());
  state.addOperands(operands);
  state.addTypes(llm::tensorOf(type.getElementType(), shape));
  state.addAttributes(first->getAttrs());
  return builder.create(state)->getResult(0);
}

void eraseDead(Operation *op) {
  llvm::SetVector<Operation *> candidates;
  candidates.insert(op);
  while (!candidates.empty()) {
    Operation *next = candidates.pop_back_val();
    if (!next->use_empty() || !isMemoryEffectFree(next))
      continue;
    for (Value operand : next->getOperands())
      if (Operation *def = operand.getDefiningOp())
        candidates.insert(def);
    next->erase();
  }
}

} // namespace vinci
