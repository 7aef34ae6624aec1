#include "passes/fusion/Fusion.h"

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

InFlightDiagnostic remarkNotFused(Operation *op) {
  return op->emitRemark() << "not fused: ";
}

void remarkFused(ModuleOp module, int64_t count, StringRef what) {
  if (count > 0)
    emitRemark(module.getLoc()) << "fused " << count << " of " << what;
}

} // namespace vinci
