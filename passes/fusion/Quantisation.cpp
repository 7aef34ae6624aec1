#include "passes/fusion/Quantisation.h"

#include "passes/fusion/Fusion.h"

using namespace mlir;

namespace vinci {

Type Quantisation::scaleType() const {
  return op->getNumResults() == 2 ? op->getResult(1).getType() : Type();
}

void Quantisation::replace(Value result, Value scales) const {
  op->getResult(0).replaceAllUsesWith(result);
  if (op->getNumResults() == 2)
    op->getResult(1).replaceAllUsesWith(scales);
  op->erase();
}

std::optional<Quantisation> onlyQuantisation(Value value, StringRef what) {
  const auto quantises = llvm::IsaPred<llm::QuantizeOp, llm::DynamicQuantizeOp>;
  if (llvm::none_of(value.getUsers(), quantises))
    return std::nullopt;
  if (isReadBy<llm::RowMaxOp>(value)) {
    remarkNotFused(value.getDefiningOp())
        << "the ranks agree on the scale of a whole row before one quantises " << what;
    return std::nullopt;
  }
  if (!value.hasOneUse()) {
    if (llvm::all_of(value.getUsers(), quantises))
      remarkNotFused(value.getDefiningOp())
          << "the readers of " << what << " quantise it by different scales";
    else
      remarkNotFused(value.getDefiningOp()) << "something else reads " << what;
    return std::nullopt;
  }
  Operation *op = *value.getUsers().begin();
  if (auto quantize = dyn_cast<llm::QuantizeOp>(op))
    return Quantisation{op, quantize.getScale(), quantize.getOffset()};
  if (cast<llm::DynamicQuantizeOp>(op).getRowMax())
    return std::nullopt;
  return Quantisation{op, {}, {}};
}

std::optional<std::string> whyNoVectorKernel(const NpuTarget &target, Type element,
                                             int64_t columns) {
  if (target.vectorCores == 0)
    return std::nullopt;
  const std::string kernel = "the kernel of " + std::string(target.name);
  if (!element.isBF16() && !element.isF16())
    return kernel + " takes bfloat16 and float16";
  constexpr int64_t elements = 32 / 2;
  if (columns % elements != 0)
    return "rows of " + std::to_string(columns) + " elements are no multiple of 32 bytes, which " +
           kernel + " reads at a time";
  return std::nullopt;
}

} // namespace vinci
