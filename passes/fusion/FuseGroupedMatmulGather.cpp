// The rows of experts gathered in their products. See Passes.td.
#include "passes/fusion/Fusion.h"
#include "passes/passes.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace vinci {

#define GEN_PASS_DEF_FUSEGROUPEDMATMULGATHER
#include "passes/Passes.h.inc"

namespace {

class FuseGroupedMatmulGather;
constexpr StringLiteral passName =
    impl::FuseGroupedMatmulGatherBase<FuseGroupedMatmulGather>::getArgumentName();

/// The products of permuted rows, and what quantises the rows for those on int8.
struct Readers {
  SmallVector<llm::GroupedMatmulOp> products;
  SmallVector<llm::GroupedWeightQuantMatmulOp> weightQuantProducts;
  SmallVector<llm::DynamicQuantizeOp> quantizations;
};

/// True if `product` takes row r for row r.
template <typename Product> bool takesRows(Product product, Value rows) {
  return product && !product.getGather() && product.getInput() == rows;
}

/// Finds the readers of `rows`; returns why they cannot gather, if so.
std::optional<StringRef> findReaders(llm::PermuteTokensOp rows, Readers &readers) {
  constexpr StringRef otherOrder = "a product has its rows in another order";
  for (Operation *user : rows->getUsers()) {
    if (auto quantize = dyn_cast<llm::DynamicQuantizeOp>(user); quantize && !quantize.getRowMax()) {
      for (Operation *reader : quantize->getUsers()) {
        auto product = dyn_cast<llm::GroupedDynamicQuantMatmulOp>(reader);
        if (!takesRows(product, quantize.getResult()) || product.getScale() != quantize.getScale())
          return StringRef("something else reads the quantised rows");
        if (product.getRowOf() != rows.getRowOf())
          return otherOrder;
      }
      readers.quantizations.push_back(quantize);
      continue;
    }
    if (auto product = dyn_cast<llm::GroupedMatmulOp>(user); takesRows(product, rows.getResult()))
      readers.products.push_back(product);
    else if (auto other = dyn_cast<llm::GroupedWeightQuantMatmulOp>(user);
             takesRows(other, rows.getResult()))
      readers.weightQuantProducts.push_back(other);
    else
      return StringRef("something else reads the gathered rows");
  }
  auto hasOtherOrder = [&](auto product) { return product.getRowOf() != rows.getRowOf(); };
  if (llvm::any_of(readers.products, hasOtherOrder) ||
      llvm::any_of(readers.weightQuantProducts, hasOtherOrder))
    return otherOrder;
  return std::nullopt;
}

/// Lets `product` gather what `rows` has gathered for it.
template <typename Product> void gather(Product product, llm::PermuteTokensOp rows) {
  product.setGather(true);
  product->setLoc(llm::madeOf(passName, {rows, product}));
}

/// Quantises the tokens in place of their rows, and lets the products gather them.
void gatherQuantized(llm::DynamicQuantizeOp rows, llm::PermuteTokensOp permute) {
  Value tokens = permute.getInput();
  OpBuilder builder(rows);
  SmallVector<llm::DimExpr> shape = llm::shapeOf(cast<RankedTensorType>(tokens.getType()));
  auto quantize = builder.create<llm::DynamicQuantizeOp>(
      llm::madeOf(passName, {rows}), llm::tensorOf(builder.getI8Type(), shape),
      llm::tensorOf(builder.getF32Type(), shape.front()), tokens, /*row_max=*/Value());
  for (Operation *reader : rows.getResult().getUsers())
    gather(cast<llm::GroupedDynamicQuantMatmulOp>(reader), permute);
  rows.getResult().replaceAllUsesWith(quantize.getResult());
  rows.getScale().replaceAllUsesWith(quantize.getScale());
  rows.erase();
}

bool fuse(llm::PermuteTokensOp rows) {
  Readers readers;
  if (auto why = findReaders(rows, readers))
    return remarkNotFused(rows) << *why, false;
  if (rows->use_empty())
    return false;
  for (llm::GroupedMatmulOp product : readers.products)
    gather(product, rows);
  for (llm::GroupedWeightQuantMatmulOp product : readers.weightQuantProducts)
    gather(product, rows);
  for (llm::DynamicQuantizeOp quantize : readers.quantizations)
    gatherQuantized(quantize, rows);
  rows.replaceAllUsesWith(rows.getInput());
  rows.erase();
  return true;
}

class FuseGroupedMatmulGather : public impl::FuseGroupedMatmulGatherBase<FuseGroupedMatmulGather> {
  void runOnOperation() override {
    fuseEach<llm::PermuteTokensOp>(getOperation(), "permute_tokens with its products", fuse);
  }
};

} // namespace
} // namespace vinci
