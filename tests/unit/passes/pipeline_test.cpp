// Properties of the whole pipeline, on the dense model of the lit tests.
#include "ir/npu/Npu.h"
#include "passes/pipelines.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace vinci;

namespace {

class PipelineTest : public testing::Test {
protected:
  PipelineTest() { context_.loadDialect<npu::NpuDialect>(); }

  mlir::OwningOpRef<mlir::ModuleOp> compile(const PipelineOptions &options = {}) {
    auto module = mlir::parseSourceFile<mlir::ModuleOp>(
        VINCI_SOURCE_DIR "/tests/lit/ir/llm/dense-model.mlir", &context_);
    mlir::PassManager passes(&context_);
    buildCompilePipeline(passes, options);
    EXPECT_TRUE(mlir::succeeded(passes.run(*module)));
    return module;
  }

  static std::string print(mlir::ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream out(text);
    module.print(out);
    return text;
  }

  mlir::MLIRContext context_;
};

TEST_F(PipelineTest, TwoRunsGiveTheSameText) {
  EXPECT_EQ(print(*compile()), print(*compile()));
}

TEST_F(PipelineTest, StopAfterLeavesLaterPhasesOut) {
  auto count = [](mlir::ModuleOp module, llvm::StringRef word) {
    return llvm::StringRef(print(module)).count(word);
  };
  EXPECT_EQ(count(*compile({.stopAfter = Phase::Import}), "npu."), 0u);
  EXPECT_EQ(count(*compile({.stopAfter = Phase::Lower}), "waits"), 0u);
  EXPECT_GT(count(*compile({.stopAfter = Phase::Schedule}), "waits"), 0u);
  EXPECT_EQ(count(*compile({.stopAfter = Phase::Schedule}), "npu.program arena"), 0u);
  EXPECT_EQ(count(*compile({.stopAfter = Phase::Memory}), "npu.program arena"), 1u);
  EXPECT_EQ(print(*compile({.stopAfter = Phase::Memory})),
            print(*compile({.stopAfter = Phase::Plan})));
}

TEST_F(PipelineTest, EachPhaseIsRecognisedAndGoesOnToTheSameProgram) {
  std::string whole = print(*compile());
  for (Phase phase : {Phase::Import, Phase::Fuse, Phase::Lower, Phase::Schedule, Phase::Memory}) {
    auto module = compile({.stopAfter = phase});
    EXPECT_EQ(reachedPhase(*module), phase) << toString(phase);
    mlir::PassManager passes(&context_);
    buildCompilePipeline(passes, {.startAfter = phase});
    ASSERT_TRUE(mlir::succeeded(passes.run(*module)));
    EXPECT_EQ(print(*module), whole) << toString(phase);
  }
}

TEST_F(PipelineTest, SwitchesLeavePassesOutAndFusedIrAlone) {
  PipelineOptions options;
  for (const PassInfo &pass : compilePasses())
    if (pass.optional)
      options.switches[pass.name] = false;
  ASSERT_FALSE(options.switches.empty());
  std::string unfused = print(*compile(options));
  EXPECT_NE(unfused, print(*compile()));
  options.stopAfter = Phase::Fuse;
  auto module = compile(options);
  mlir::PassManager passes(&context_);
  buildCompilePipeline(passes, {.startAfter = reachedPhase(*module)});
  ASSERT_TRUE(mlir::succeeded(passes.run(*module)));
  EXPECT_EQ(print(*module), unfused);
}

TEST_F(PipelineTest, PassesAreListedInTheOrderOfTheirPhases) {
  std::vector<PassInfo> passes = compilePasses();
  for (size_t i = 0; i < passes.size(); ++i) {
    EXPECT_FALSE(passes[i].name.empty());
    EXPECT_FALSE(passes[i].summary.empty()) << passes[i].name;
    if (i > 0) {
      EXPECT_LE(passes[i - 1].phase, passes[i].phase) << passes[i].name;
    }
  }
}

TEST_F(PipelineTest, LaunchesKeepTheLocationsOfTheirOps) {
  auto source = mlir::parseSourceFile<mlir::ModuleOp>(
      VINCI_SOURCE_DIR "/tests/lit/ir/llm/dense-model.mlir", &context_);
  std::vector<mlir::Location> attention;
  source->walk([&](llm::AttentionOp op) { attention.push_back(op.getLoc()); });
  std::vector<mlir::Location> launched;
  auto module = compile();
  module->walk([&](npu::LaunchOp launch) {
    if (launch.getKernel() == "attention")
      launched.push_back(launch.getLoc());
  });
  // The first layer has a body of its own.
  EXPECT_EQ(launched, std::vector<mlir::Location>(2, attention.at(0)));
}

TEST_F(PipelineTest, ModelAndLimitsSurvive) {
  auto module = compile();
  ASSERT_TRUE(llm::findModel(*module));
  EXPECT_EQ(llm::findModel(*module).getName(), "dense");
  ASSERT_TRUE(llm::findLimits(*module));
  EXPECT_EQ(llm::findLimits(*module).getBlockSize(), 128);
}

} // namespace
