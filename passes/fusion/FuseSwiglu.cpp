// silu and mul in one op. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSESWIGLU
#include "passes/Passes.h.inc"

namespace {

class FuseSwiglu;
constexpr StringLiteral passName = impl::FuseSwigluBase<FuseSwiglu>::getArgumentName();

/// The silu that only `product` reads, or null.
llm::SiluOp activationOf(llm::MulOp product) {
  for (Value operand : product->getOperands()) {
    auto silu = operand.getDefiningOp<llm::SiluOp>();
    if (silu && silu->hasOneUse())
      return silu;
    if (silu)
      return remarkNotFused(silu) << "more than one op reads the activation", llm::SiluOp();
  }
  return {};
}

class FuseSwiglu : public impl::FuseSwigluBase<FuseSwiglu> {
  void runOnOperation() override {
    SmallVector<llm::MulOp> products;
    getOperation().walk([&](llm::MulOp product) { products.push_back(product); });
    int64_t fused = 0;
    for (llm::MulOp product : products) {
      llm::SiluOp silu = activationOf(product);
      if (!silu)
        continue;
      if (product.getType().getRank() != 2) {
        remarkNotFused(silu) << "it works on heads; llm.swiglu takes [rows, n]";
        continue;
      }
      Value up = product.getLhs() == silu.getResult() ? product.getRhs() : product.getLhs();
      OpBuilder builder(product);
      auto swiglu = builder.create<llm::SwigluOp>(llm::madeOf(passName, {silu, product}),
                                                  product.getType(), silu.getInput(), up);
      product.replaceAllUsesWith(swiglu.getResult());
      product.erase();
      silu.erase();
      ++fused;
    }
    remarkFused(getOperation(), fused, "silu and mul");
  }
};

} // namespace
} // namespace vinci
