#include "ir/llm/Precision.h"

#include "ir/llm/Llm.h"

using namespace mlir;

namespace vinci::llm {

StringRef toString(PrecisionRegion region) {
  switch (region) {
  case PrecisionRegion::Compute:
    return "compute";
  case PrecisionRegion::Layernorm:
    return "layernorm";
  case PrecisionRegion::Softmax:
    return "softmax";
  case PrecisionRegion::Rotary:
    return "rotary";
  case PrecisionRegion::Parameters:
    return "parameters";
  }
  return "";
}

LogicalResult verifyKept(Operation *op, PrecisionRegion region, StringRef what, Type type) {
  PrecisionAttr precision = findPrecision(op);
  if (!precision || !precision.getKeepOrigin().getValue() || precision.getTypeOf(region) == type)
    return success();
  return op->emitOpError() << what << " " << type << ", but " << LlmDialect::precisionAttrName
                           << " keeps " << toString(region) << " = " << precision.getTypeOf(region);
}

} // namespace vinci::llm
