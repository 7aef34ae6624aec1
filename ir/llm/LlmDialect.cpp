// Registration, aliases of the printed form, and the attributes that modules carry.
#include "ir/llm/Graphs.h"
#include "ir/llm/Llm.h"
#include "ir/llm/Prefetch.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace vinci::llm {
namespace {

/// Prints #llm.dims<["tokens*2"]> as #x2_tokens (MLIR appends to names that end in a digit).
struct LlmAsmInterface : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;

  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    auto dims = dyn_cast<DimsAttr>(attr);
    if (!dims)
      return AliasResult::NoAlias;
    llvm::interleave(
        dims.getNames(), os,
        [&](const DimExpr &dim) {
          if (dim.scale != 1)
            os << "x" << dim.scale << "_";
          os << toString(dim.symbol);
        },
        "_");
    return AliasResult::OverridableAlias;
  }
};

} // namespace

void LlmDialect::initialize() {
  registerAttributesAndTypes();
  addOperations<
#define GET_OP_LIST
#include "ir/llm/LlmOps.cpp.inc"
      >();
  addInterfaces<LlmAsmInterface>();
}

LogicalResult LlmDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName();
  static constexpr std::array names = {modelAttrName,  limitsAttrName,  precisionAttrName,
                                       meshAttrName,   targetAttrName,  phaseAttrName,
                                       graphsAttrName, prefetchAttrName};
  if (!llvm::is_contained(names, name))
    return op->emitOpError() << "has the unknown attribute '" << name
                             << "'; the llm dialect defines " << llvm::join(names, ", ");
  if (!isa<ModuleOp>(op))
    return op->emitOpError() << "has the attribute '" << name << "', which belongs on the module";
  if (name == modelAttrName && !isa<ModelAttr>(attribute.getValue()))
    return op->emitOpError() << "attribute '" << name << "' must be #llm.model<...>";
  if (name == limitsAttrName && !isa<LimitsAttr>(attribute.getValue()))
    return op->emitOpError() << "attribute '" << name << "' must be #llm.limits<...>";
  if (name == meshAttrName && !isa<MeshAttr>(attribute.getValue()))
    return op->emitOpError() << "attribute '" << name << "' must be #llm.mesh<...>";
  if (name == graphsAttrName)
    return verifyGraphs(op, attribute.getValue());
  if (name == prefetchAttrName)
    return verifyPrefetch(op, attribute.getValue());
  if ((name == targetAttrName || name == phaseAttrName) && !isa<StringAttr>(attribute.getValue()))
    return op->emitOpError() << "attribute '" << name << "' must be a string";
  if (name != precisionAttrName)
    return success();
  auto precision = dyn_cast<PrecisionAttr>(attribute.getValue());
  if (!precision)
    return op->emitOpError() << "attribute '" << name << "' must be #llm.precision<...>";
  if (ModelAttr model = findModel(op); model && model.getDtype() != precision.getCompute())
    return op->emitOpError() << "attribute '" << name
                             << "' has compute = " << precision.getCompute() << ", but "
                             << modelAttrName << " has dtype = " << model.getDtype()
                             << "; they must be equal";
  return success();
}

/// The attribute of the module that holds `op`.
template <typename AttrT> static AttrT findModuleAttr(Operation *op, StringRef name) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    module = op->getParentOfType<ModuleOp>();
  return module ? module->getAttrOfType<AttrT>(name) : AttrT();
}

ModelAttr findModel(Operation *op) {
  return findModuleAttr<ModelAttr>(op, LlmDialect::modelAttrName);
}

LimitsAttr findLimits(Operation *op) {
  return findModuleAttr<LimitsAttr>(op, LlmDialect::limitsAttrName);
}

PrecisionAttr findPrecision(Operation *op) {
  return findModuleAttr<PrecisionAttr>(op, LlmDialect::precisionAttrName);
}

MeshAttr findMesh(Operation *op) {
  return findModuleAttr<MeshAttr>(op, LlmDialect::meshAttrName);
}

} // namespace vinci::llm

#include "ir/llm/LlmDialect.cpp.inc"
#include "ir/llm/LlmEnums.cpp.inc"
#include "ir/llm/LlmInterfaces.cpp.inc"
