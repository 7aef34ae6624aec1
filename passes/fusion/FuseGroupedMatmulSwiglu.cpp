// Gate and up of experts, the gated linear unit of both, and on int8 its quantisation. See
// Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/fusion/Quantisation.h"
#include "passes/passes.h"
#include "runtime/support/kernel_limits.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEGROUPEDMATMULSWIGLU
#include "passes/Passes.h.inc"

namespace {

class FuseGroupedMatmulSwiglu;
constexpr StringLiteral passName =
    impl::FuseGroupedMatmulSwigluBase<FuseGroupedMatmulSwiglu>::getArgumentName();

/// From the vendor's description of grouped_matmul_swiglu_quant.
constexpr int64_t maxNpuRows = 10240, maxNpuDepth = 65535;

/// What the chain and its kernel, on floats or int8, have in the way; nullopt if nothing.
std::optional<std::string> whyNotGated(llm::SwigluOp swiglu, Operation *product,
                                       const NpuTarget &target) {
  if (!target.groupedMatmulSwiglu)
    return std::string(target.name) + " has no kernel for products by experts with swiglu";
  if (swiglu.getUp())
    return "gate and up are two products";
  if (!product->hasOneUse())
    return "something else reads the product";
  RankedTensorType type = swiglu.getType();
  const int64_t columns = type.getDimSize(1);
  if (columns % gatedColumns != 0)
    return "the " + std::to_string(columns) + " columns of the gate are no multiple of " +
           std::to_string(gatedColumns) + ", the columns of a panel";
  return whyNoVectorKernel(target, type.getElementType(), columns);
}

bool fuse(llm::SwigluOp swiglu, llm::GroupedMatmulOp product, const NpuTarget &target) {
  if (auto why = whyNotGated(swiglu, product, target))
    return remarkNotFused(product) << *why, false;
  OpBuilder builder(swiglu);
  auto fused = builder.create<llm::GroupedMatmulSwigluOp>(
      llm::madeOf(passName, {product, swiglu}), swiglu.getType(), product.getInput(),
      product.getWeight(), product.getRowOf(), product.getExpertOffsets(), product.getGather());
  swiglu.replaceAllUsesWith(fused.getResult());
  swiglu.erase();
  product.erase();
  return true;
}

/// The limits of the kernel on int8; nullopt if the product is within them.
std::optional<std::string> whyTooLarge(llm::GroupedDynamicQuantMatmulOp product,
                                       const NpuTarget &target) {
  const int64_t rows = product.getWeight().getType().getDimSize(1);
  const int64_t depth = product.getWeight().getType().getDimSize(2);
  const bool npu = target.vectorCores != 0;
  const int64_t maxRows = npu ? maxNpuRows : 2 * maxGatedRow;
  if (rows > maxRows)
    return "gate and up have " + std::to_string(rows) + " rows; the kernel of " +
           std::string(target.name) + " takes " + std::to_string(maxRows);
  if (npu && depth > maxNpuDepth)
    return "the input has " + std::to_string(depth) + " columns; the kernel of " +
           std::string(target.name) + " takes " + std::to_string(maxNpuDepth);
  return std::nullopt;
}

bool fuse(llm::SwigluOp swiglu, llm::GroupedDynamicQuantMatmulOp product, const NpuTarget &target) {
  if (auto why = whyNotGated(swiglu, product, target))
    return remarkNotFused(product) << *why, false;
  if (auto why = whyTooLarge(product, target))
    return remarkNotFused(product) << *why, false;
  auto quantize = onlyReader<llm::DynamicQuantizeOp>(swiglu.getResult());
  if (!quantize || quantize.getRowMax())
    return remarkNotFused(product) << "the only reader of the activation must be "
                                      "llm.dynamic_quantize, which the kernel does as well",
           false;
  OpBuilder builder(quantize);
  auto fused = builder.create<llm::GroupedMatmulSwigluQuantOp>(
      llm::madeOf(passName, {product, swiglu, quantize}), quantize.getResult().getType(),
      quantize.getScale().getType(), product.getInput(), product.getScale(), product.getWeight(),
      product.getWeightScale(), product.getRowOf(), product.getExpertOffsets(), product.getGather(),
      swiglu.getType().getElementType());
  quantize.getResult().replaceAllUsesWith(fused.getResult());
  quantize.getScale().replaceAllUsesWith(fused.getResultScale());
  quantize.erase();
  swiglu.erase();
  product.erase();
  return true;
}

bool fuse(llm::SwigluOp swiglu, const NpuTarget &target) {
  if (auto product = swiglu.getGate().getDefiningOp<llm::GroupedMatmulOp>())
    return fuse(swiglu, product, target);
  if (auto product = swiglu.getGate().getDefiningOp<llm::GroupedDynamicQuantMatmulOp>())
    return fuse(swiglu, product, target);
  return false;
}

class FuseGroupedMatmulSwiglu : public impl::FuseGroupedMatmulSwigluBase<FuseGroupedMatmulSwiglu> {
  void runOnOperation() override {
    FailureOr<const NpuTarget *> target = targetOf(getOperation());
    if (failed(target))
      return signalPassFailure();
    fuseEach<llm::SwigluOp>(getOperation(), "a product by experts and swiglu",
                            [&](auto swiglu) { return fuse(swiglu, **target); });
  }
};

} // namespace
} // namespace vinci
