#include "ir/npu/Sizes.h"

#include "llvm/ADT/StringSwitch.h"

namespace vinci::npu {

int64_t elementBytes(mlir::Type elementType) {
  if (elementType.isF32() || elementType.isInteger(32))
    return 4;
  if (elementType.isInteger(8))
    return 1;
  return elementType.isBF16() || elementType.isF16() ? 2 : 0;
}

std::optional<int64_t> bytesAtLimits(mlir::RankedTensorType type, llm::LimitsAttr limits) {
  int64_t bytes = elementBytes(type.getElementType());
  if (bytes == 0 || !llm::hasNamedDims(type))
    return std::nullopt;
  auto multiply = [&bytes](int64_t factor) {
    if (factor < 1 || bytes > maxArenaBytes / factor)
      return false;
    bytes *= factor;
    return true;
  };
  for (const llm::DimExpr &dim : llm::shapeOf(type))
    if (!multiply(dim.scale) || (!dim.isConstant() && !multiply(limits.getBound(dim.symbol))))
      return std::nullopt;
  return bytes;
}

int64_t kvBytesPerBlock(llm::KvCacheType type, llm::LimitsAttr limits) {
  int64_t paddedHeadDim = (type.getHeadDim() + 15) / 16 * 16;
  return type.getHeads() * 2 * paddedHeadDim * limits.getBlockSize() *
         elementBytes(type.getElementType());
}

unsigned inPlaceInputs(llvm::StringRef kernel) {
  return llvm::StringSwitch<unsigned>(kernel)
      .Cases("add", "mul", 2)
      .Cases("rope", "silu", "rms_norm", "all_reduce", 1)
      .Default(0);
}

} // namespace vinci::npu
