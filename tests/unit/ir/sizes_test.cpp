#include "ir/npu/Sizes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace vinci;
using llm::DimExpr;
using llm::Symbol;

namespace {

class SizesTest : public testing::Test {
protected:
  std::optional<int64_t> bytes(mlir::Type elementType, llvm::ArrayRef<DimExpr> shape) {
    return npu::bytesAtLimits(llm::tensorOf(elementType, shape), limits_);
  }

  mlir::MLIRContext context_;
  mlir::Builder builder_{&context_};
  llm::LimitsAttr limits_ = [this] {
    context_.loadDialect<npu::NpuDialect>();
    return llm::LimitsAttr::get(&context_, /*max_seq_len=*/300, /*max_tokens_per_step=*/32,
                                /*max_batch=*/4, /*kv_blocks=*/8, /*block_size=*/128);
  }();
};

TEST_F(SizesTest, SymbolsCountAtTheirLimits) {
  EXPECT_EQ(bytes(builder_.getF32Type(), {Symbol::Tokens, 10}), 32 * 10 * 4);
  EXPECT_EQ(bytes(builder_.getI8Type(), {Symbol::Tokens, 10}), 32 * 10);
  EXPECT_EQ(bytes(builder_.getBF16Type(), {DimExpr(Symbol::Tokens, 8), 10}), 32 * 8 * 10 * 2);
  EXPECT_EQ(bytes(builder_.getI32Type(), {Symbol::Sequences, 3}), 4 * 3 * 4);
  EXPECT_EQ(bytes(builder_.getF16Type(), {Symbol::LogitRows}), 32 * 2);
  EXPECT_EQ(bytes(builder_.getF32Type(), {5}), 5 * 4);
}

TEST_F(SizesTest, ASharesLimitIsRoundedUp) {
  limits_ = llm::LimitsAttr::get(&context_, 300, 32, 4, 8, 128, /*token_shares=*/5,
                                 /*max_logit_rows=*/std::nullopt);
  EXPECT_EQ(bytes(builder_.getF32Type(), {Symbol::TokenShares, 10}), 7 * 10 * 4);
  EXPECT_EQ(bytes(builder_.getF32Type(), {Symbol::Tokens, 10}), 32 * 10 * 4);
}

TEST_F(SizesTest, UnknownTypesAndOverflowsHaveNoSize) {
  EXPECT_EQ(bytes(builder_.getF64Type(), {5}), std::nullopt);
  // 2^40 elements are legal as a type; 32 tokens of them are more than an arena holds.
  EXPECT_EQ(bytes(builder_.getF32Type(), {Symbol::Tokens, 1 << 20, 1 << 20}), std::nullopt);
  EXPECT_EQ(bytes(builder_.getF32Type(), {llm::maxDimension, llm::maxDimension, llm::maxDimension}),
            std::nullopt);
}

TEST_F(SizesTest, KvBlocksArePaddedToSixteenOfHeadDim) {
  auto type = llm::KvCacheType::get(&context_, 2, 20, builder_.getBF16Type());
  EXPECT_EQ(npu::kvBytesPerBlock(type, limits_), 2 * 2 * 32 * 128 * 2);
}

TEST_F(SizesTest, BlocksPerSequenceAreRoundedUp) {
  EXPECT_EQ(limits_.getMaxBlocksPerSequence(), 3);
}

TEST_F(SizesTest, OffsetsAreAlignedUpwards) {
  EXPECT_EQ(npu::alignToArena(0), 0);
  EXPECT_EQ(npu::alignToArena(1), 64);
  EXPECT_EQ(npu::alignToArena(64), 64);
}

TEST_F(SizesTest, OnlyElementwiseKernelsRunInPlace) {
  EXPECT_EQ(npu::inPlaceInputs("add"), 2u);
  EXPECT_EQ(npu::inPlaceInputs("rms_norm"), 1u);
  EXPECT_EQ(npu::inPlaceInputs("matmul"), 0u);
}

} // namespace
