#include "passes/fusion/Fusion.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vinci {

FailureOr<const NpuTarget *> targetOf(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>(llm::LlmDialect::targetAttrName);
  const NpuTarget *target = findTarget(name ? std::string_view(name.data(), name.size()) : "host");
  if (!target)
    return emitError(module.getLoc())
           << "is compiled for " << name << ", which is no target; there are " << targetNames();
  return target;
}

std::optional<std::string> whyNoQkvKernel(const NpuTarget &target, llm::SplitQkvOp split) {
  const std::string name(target.name);
  if (!target.triton)
    return name + " runs no Triton, in which the kernel is written";
  if (target.vectorCores == 0)
    return std::nullopt;
  const int64_t heads = split.getQuery().getType().getDimSize(1);
  const int64_t kvHeads = split.getKey().getType().getDimSize(1);
  const int64_t headDim = split.getQuery().getType().getDimSize(2);
  if (heads % kvHeads != 0)
    return "the " + std::to_string(heads) + " heads of the queries are no multiple of the " +
           std::to_string(kvHeads) + " KV heads";
  if (!llvm::isPowerOf2_64(headDim))
    return "head_dim is " + std::to_string(headDim) + "; the kernel of " + name +
           " takes powers of two";
  if (const int64_t width = heads / kvHeads * headDim; !llvm::isPowerOf2_64(width))
    return "the queries of a KV head are " + std::to_string(width) + " wide; the kernel of " +
           name + " takes powers of two";
  if (target.vectorCores % kvHeads != 0)
    return "the " + std::to_string(target.vectorCores) + " vector cores of " + name +
           " are no multiple of the " + std::to_string(kvHeads) + " KV heads of a rank";
  return std::nullopt;
}

void replaceSplit(llm::SplitQkvOp split, Operation *query, Operation *key, llm::SplitQkvOp fused) {
  query->getResult(0).replaceAllUsesWith(fused.getQuery());
  key->getResult(0).replaceAllUsesWith(fused.getKey());
  split.getValue().replaceAllUsesWith(fused.getValue());
  query->erase();
  key->erase();
  split.erase();
}

bool sameDeclared(Value a, Value b) {
  auto first = a.getDefiningOp<llm::WeightOp>(), second = b.getDefiningOp<llm::WeightOp>();
  return first && second && first.getPieces() == second.getPieces() &&
         first.getStack() == second.getStack() && first.getEqual() == second.getEqual() &&
         a.getType() == b.getType();
}

bool makeAvailable(Value value, Operation *op) {
  Operation *def = value.getDefiningOp();
  if (!def || def->isBeforeInBlock(op))
    return true;
  if (!isa<llm::WeightOp>(def))
    return false;
  def->moveBefore(op);
  return true;
}

InFlightDiagnostic remarkNotFused(Operation *op) {
  return op->emitRemark() << "not fused: ";
}

void remarkFused(ModuleOp module, int64_t count, StringRef what) {
  if (count > 0)
    emitRemark(module.getLoc()) << "fused " << count << " of " << what;
}

} // namespace vinci
