#include "ir/llm/Graphs.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci::llm {

void setGraphs(ModuleOp module, const GraphCapture &graphs) {
  if (graphs.mode == GraphMode::None)
    return;
  Builder builder(module.getContext());
  const SmallVector<int64_t> sizes(graphs.sizes.begin(), graphs.sizes.end());
  module->setAttr(graphsAttrName,
                  builder.getDictionaryAttr(
                      {builder.getNamedAttr("mode", builder.getStringAttr(toString(graphs.mode))),
                       builder.getNamedAttr("sizes", builder.getDenseI64ArrayAttr(sizes))}));
}

GraphCapture findGraphs(ModuleOp module) {
  auto graphs = module->getAttrOfType<DictionaryAttr>(graphsAttrName);
  if (!graphs)
    return {};
  const ArrayRef<int64_t> sizes = graphs.getAs<DenseI64ArrayAttr>("sizes").asArrayRef();
  return {*parseGraphMode(std::string_view(graphs.getAs<StringAttr>("mode").getValue())),
          {sizes.begin(), sizes.end()}};
}

LogicalResult verifyGraphs(Operation *op, Attribute attribute) {
  auto graphs = dyn_cast<DictionaryAttr>(attribute);
  auto mode = graphs ? graphs.getAs<StringAttr>("mode") : StringAttr();
  auto sizes = graphs ? graphs.getAs<DenseI64ArrayAttr>("sizes") : DenseI64ArrayAttr();
  if (!mode || !sizes || graphs.size() != 2)
    return op->emitOpError() << "attribute '" << graphsAttrName
                             << "' must be {mode = \"...\", sizes = array<i64: ...>}";
  const auto parsed = parseGraphMode(std::string_view(mode.getValue()));
  if (!parsed || *parsed == GraphMode::None)
    return op->emitOpError() << "attribute '" << graphsAttrName << "' has the mode " << mode
                             << "; legal are " << graphModeNames()
                             << ", where none is said by no attribute";
  if (sizes.empty())
    return op->emitOpError() << "attribute '" << graphsAttrName
                             << "' has no sizes; one at least is captured";
  int64_t before = 0;
  for (int64_t size : sizes.asArrayRef()) {
    if (size <= before || size > INT32_MAX)
      return op->emitOpError() << "attribute '" << graphsAttrName << "' has the size " << size
                               << " after " << before << "; sizes ascend from 1 to " << INT32_MAX;
    before = size;
  }
  return success();
}

} // namespace vinci::llm
