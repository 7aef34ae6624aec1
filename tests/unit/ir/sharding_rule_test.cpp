// Every rule of the td files can be read, and fits the ops that carry it.
#include "ir/llm/ShardingRule.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

namespace vinci::llm {
namespace {

class Rules : public testing::Test {
protected:
  Rules() : context_(mlir::MLIRContext::Threading::DISABLED) { context_.loadDialect<LlmDialect>(); }

  /// The rule of the last op before the return of a body.
  ShardingRule ruleOf(const std::string &arguments, const std::string &ops) {
    module_ =
        mlir::parseSourceString<mlir::ModuleOp>("#tokens = #llm.dims<[\"tokens\"]>\nllm.body @b(" +
                                                    arguments + ") {\n" + ops + "\nllm.return\n}\n",
                                                &context_);
    EXPECT_TRUE(module_);
    auto body = *module_->getOps<BodyOp>().begin();
    return *shardingRuleOf(body.getBlock().getTerminator()->getPrevNode());
  }

  mlir::MLIRContext context_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
};

TEST_F(Rules, OneFactorForDimensionsOfOneName) {
  const ShardingRule rule = ruleOf("%x: tensor<?x8xf32, #tokens>", R"(
    %w = llm.weight @w from "w" : tensor<4x8xf32>
    %0 = llm.matmul %x, %w : (tensor<?x8xf32, #tokens>, tensor<4x8xf32>) -> tensor<?x4xf32, #tokens>)");
  ASSERT_EQ(rule.operands.size(), 2u); // no bias
  EXPECT_EQ(rule.operands[0].factors, (std::vector<unsigned>{0, 1}));
  EXPECT_EQ(rule.operands[1].factors, (std::vector<unsigned>{2, 1}));
  EXPECT_EQ(rule.results[0].factors, (std::vector<unsigned>{0, 2}));
  EXPECT_EQ(rule.whole, std::vector<bool>(3, false));
  EXPECT_FALSE(rule.operands[0].linear);
}

TEST_F(Rules, DotsStandForAnyRank) {
  const ShardingRule rank2 =
      ruleOf("%x: tensor<?x8xf32, #tokens>", "%0 = llm.add %x, %x : tensor<?x8xf32, #tokens>");
  EXPECT_EQ(rank2.operands[1].factors, rank2.results[0].factors);
  EXPECT_EQ(rank2.results[0].factors.size(), 2u);
  EXPECT_TRUE(rank2.operands[0].linear && rank2.operands[1].linear);
  const ShardingRule rank3 = ruleOf("%x: tensor<?x2x8xf32, #tokens>", R"(
    %w = llm.weight @w from "w" : tensor<8xf32>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 : tensor<?x2x8xf32, #tokens>, tensor<8xf32>)");
  ASSERT_EQ(rank3.operands[0].factors.size(), 3u);
  EXPECT_EQ(rank3.operands[1].factors[0], rank3.operands[0].factors[2]);
  EXPECT_TRUE(rank3.whole[rank3.operands[0].factors[2]]);
  EXPECT_FALSE(rank3.whole[rank3.operands[0].factors[1]]);
}

TEST_F(Rules, AnOpThatIsMadeAfterPartitioningHasNone) {
  module_ = mlir::parseSourceString<mlir::ModuleOp>(R"(
    #tokens = #llm.dims<["tokens"]>
    module attributes {llm.mesh = #llm.mesh<axes = [2]>} {
      llm.body @b(%x: tensor<?x8xf32, #tokens>) {
        %0 = llm.all_reduce %x over [0] : tensor<?x8xf32, #tokens>
        llm.return
      }
    })",
                                                    &context_);
  ASSERT_TRUE(module_);
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context_, [&](mlir::Diagnostic &d) { message = d.str(); });
  module_->walk([](AllReduceOp op) { EXPECT_TRUE(failed(shardingRuleOf(op))); });
  EXPECT_EQ(message, "'llm.all_reduce' op has no sharding rule; it is made after partitioning");
}

} // namespace
} // namespace vinci::llm
