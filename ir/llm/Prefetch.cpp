#include "ir/llm/Prefetch.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci::llm {

static constexpr std::pair<StringLiteral, double PrefetchShares::*> fields[] = {
    {"gate_up", &PrefetchShares::gateUp}, {"o", &PrefetchShares::o}, {"qkv", &PrefetchShares::qkv}};

void setPrefetch(ModuleOp module, const PrefetchShares &shares) {
  Builder builder(module.getContext());
  SmallVector<NamedAttribute> attributes;
  for (const auto &[name, share] : fields)
    if (shares.*share > 0)
      attributes.push_back(builder.getNamedAttr(name, builder.getF64FloatAttr(shares.*share)));
  if (!attributes.empty())
    module->setAttr(prefetchAttrName, builder.getDictionaryAttr(attributes));
}

PrefetchShares findPrefetch(Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    module = op->getParentOfType<ModuleOp>();
  auto attribute = module ? module->getAttrOfType<DictionaryAttr>(prefetchAttrName) : nullptr;
  PrefetchShares shares;
  for (const auto &[name, share] : fields)
    if (auto value = attribute ? attribute.getAs<FloatAttr>(name) : FloatAttr())
      shares.*share = value.getValueAsDouble();
  return shares;
}

LogicalResult verifyPrefetch(Operation *op, Attribute attribute) {
  auto shares = dyn_cast<DictionaryAttr>(attribute);
  if (!shares)
    return op->emitOpError() << "attribute '" << prefetchAttrName
                             << "' must be {gate_up = ..., o = ..., qkv = ...}";
  for (NamedAttribute share : shares) {
    StringRef name = share.getName();
    if (llvm::none_of(fields, [&](const auto &field) { return field.first == name; }))
      return op->emitOpError() << "attribute '" << prefetchAttrName << "' names '" << name
                               << "'; legal are gate_up, o and qkv";
    auto value = dyn_cast<FloatAttr>(share.getValue());
    if (!value || !value.getType().isF64() ||
        !(value.getValueAsDouble() > 0 && value.getValueAsDouble() <= 1))
      return op->emitOpError() << "attribute '" << prefetchAttrName << "' has " << name << " = "
                               << share.getValue()
                               << "; legal is a share of the weight, an f64 above 0 and up to 1";
  }
  return success();
}

} // namespace vinci::llm
