// Quantisations of one value as one. See Passes.td.
#include "passes/fusion/Concat.h"
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_MERGEQUANTIZE
#include "passes/Passes.h.inc"

namespace {

class MergeQuantize;
constexpr StringLiteral passName = impl::MergeQuantizeBase<MergeQuantize>::getArgumentName();

/// The tensor that a scale or an offset is: all of it, as one weight. Null for anything else.
llm::PieceAttr wholeTensor(Value value) {
  auto weight = value.getDefiningOp<llm::WeightOp>();
  if (!weight || weight.getStack() || weight.getPieces().size() != 1)
    return {};
  auto piece = cast<llm::PieceAttr>(weight.getPieces()[0]);
  return piece.getShards().empty() ? piece : llm::PieceAttr();
}

bool isLayered(llm::PieceAttr piece) {
  return piece.getSource().strref().contains("{layer}");
}

/// Values that the weight of the first may stand for, if their tensors are equal.
bool mayBeEqual(Value first, Value other) {
  llm::PieceAttr a = wholeTensor(first), b = wholeTensor(other);
  return a && b && isLayered(a) == isLayered(b);
}

/// Makes the weight of `first` say that the tensors of `other` are equal to its own.
void declareEqual(Value first, Value other) {
  auto weight = first.getDefiningOp<llm::WeightOp>(), second = other.getDefiningOp<llm::WeightOp>();
  llvm::SetVector<Attribute> equal;
  for (llm::WeightOp each : {weight, second}) {
    equal.insert(wholeTensor(each).getSource());
    if (each.getEqual())
      equal.insert(each.getEqualAttr().begin(), each.getEqualAttr().end());
  }
  ArrayRef<Attribute> others = equal.getArrayRef().drop_front(); // of what it is itself
  if (!others.empty())
    weight.setEqualAttr(ArrayAttr::get(weight.getContext(), others));
}

bool merge(llm::QuantizeOp first, llm::QuantizeOp other) {
  for (auto [a, b] : {std::pair(first.getScale(), other.getScale()),
                      std::pair(first.getOffset(), other.getOffset())})
    if (a != b && !mayBeEqual(a, b))
      return remarkNotFused(other)
                 << "its scale or offset is no whole tensor of the checkpoint, or one for all "
                    "layers",
             false;
  for (auto [a, b] : {std::pair(first.getScale(), other.getScale()),
                      std::pair(first.getOffset(), other.getOffset())})
    if (a != b)
      declareEqual(a, b);
  first->setLoc(llm::madeOf(passName, {first, other}));
  other.replaceAllUsesWith(first.getResult());
  eraseDead(other);
  return true;
}

bool merge(llm::DynamicQuantizeOp first, llm::DynamicQuantizeOp other) {
  if (first.getRowMax() != other.getRowMax())
    return remarkNotFused(other) << "its scales are of other parts of the rows", false;
  first->setLoc(llm::madeOf(passName, {first, other}));
  other->replaceAllUsesWith(first->getResults());
  other.erase();
  return true;
}

/// Merges those of each value into the first that there is of it; gives how many were merged.
template <typename Op> int64_t mergeAll(ModuleOp module) {
  SmallVector<Op> ops;
  module.walk([&](Op op) { ops.push_back(op); });
  llvm::DenseMap<Value, Op> first;
  return llvm::count_if(ops, [&](Op op) {
    auto [found, isNew] = first.try_emplace(op.getInput(), op);
    return !isNew && merge(found->second, op);
  });
}

class MergeQuantize : public impl::MergeQuantizeBase<MergeQuantize> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    remarkFused(module,
                mergeAll<llm::QuantizeOp>(module) + mergeAll<llm::DynamicQuantizeOp>(module),
                "quantisations of a value with another of it");
  }
};

} // namespace
} // namespace vinci
