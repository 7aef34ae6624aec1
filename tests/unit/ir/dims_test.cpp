#include "ir/llm/Dims.h"
#include "ir/llm/Llm.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace vinci::llm;

namespace {

class DimsTest : public testing::Test {
protected:
  DimsTest() { context_.loadDialect<LlmDialect>(); }

  mlir::MLIRContext context_;
  mlir::Builder builder_{&context_};
};

TEST_F(DimsTest, TextOfADimensionReadsBack) {
  for (DimExpr dim : {DimExpr(Symbol::Tokens), DimExpr(Symbol::Sequences),
                      DimExpr(Symbol::LogitRows), DimExpr(Symbol::TokenShares),
                      DimExpr(Symbol::Tokens, 8), DimExpr(Symbol::LogitRows, maxDimension)}) {
    std::optional<DimExpr> parsed = parseDim(toString(dim));
    ASSERT_TRUE(parsed) << toString(dim);
    EXPECT_EQ(*parsed, dim);
  }
}

TEST_F(DimsTest, OtherTextIsNoDimension) {
  for (const char *text :
       {"", "*", "token", "Tokens", "one", "8", "tokens*", "tokens*0", "tokens*08", "tokens*-1",
        "tokens*+1", "tokens* 2", "tokens*2*2", "tokens*2147483648", "tokens*99999999999999999999"})
    EXPECT_FALSE(parseDim(text)) << text;
}

TEST_F(DimsTest, TypeAndShapeAreInverse) {
  llvm::SmallVector<DimExpr> shape = {DimExpr(Symbol::Tokens, 2), 64, DimExpr(Symbol::Sequences)};
  mlir::RankedTensorType type = tensorOf(builder_.getBF16Type(), shape);
  EXPECT_EQ(shapeOf(type), shape);
  EXPECT_EQ(shapeString(type), "[tokens*2, 64, sequences]");
  EXPECT_TRUE(hasNamedDims(type));
}

TEST_F(DimsTest, StaticShapesHaveNoEncoding) {
  mlir::RankedTensorType type = tensorOf(builder_.getF32Type(), {4, 8});
  EXPECT_FALSE(type.getEncoding());
  EXPECT_TRUE(hasNamedDims(type));
}

TEST_F(DimsTest, UnnamedForeignAndHugeTensorsAreRefused) {
  mlir::Type f32 = builder_.getF32Type();
  EXPECT_FALSE(hasNamedDims(f32));
  EXPECT_FALSE(hasNamedDims(mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, 8}, f32)));
  EXPECT_FALSE(
      hasNamedDims(mlir::RankedTensorType::get({8}, f32, builder_.getStringAttr("other"))));
  EXPECT_FALSE(hasNamedDims(tensorOf(f32, {0})));
  EXPECT_FALSE(hasNamedDims(tensorOf(f32, {maxDimension + 1})));
  EXPECT_FALSE(hasNamedDims(tensorOf(f32, {1 << 20, 1 << 20, 2})));
  EXPECT_TRUE(hasNamedDims(tensorOf(f32, {1 << 20, 1 << 20})));
}

} // namespace
