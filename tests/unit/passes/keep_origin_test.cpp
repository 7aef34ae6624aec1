// A pass that changes what a region computes in is caught by the verifier that runs after it.
#include "ir/npu/Npu.h"
#include "passes/pipelines.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

/// Norms in float32: what a well-meaning optimisation might do.
struct WidenNorms : mlir::PassWrapper<WidenNorms, mlir::OperationPass<>> {
  void runOnOperation() override {
    mlir::Builder builder(&getContext());
    getOperation()->walk([&](llm::RmsNormOp norm) {
      norm.setComputeAttr(mlir::TypeAttr::get(builder.getF32Type()));
    });
    getOperation()->walk([&](npu::LaunchOp launch) {
      mlir::NamedAttrList constants(launch.getConstants());
      if (constants.get("compute"))
        constants.set("compute", builder.getStringAttr("float32"));
      launch.setConstantsAttr(constants.getDictionary(&getContext()));
    });
  }
};

constexpr const char *model = R"mlir(
#tokens = #llm.dims<["tokens"]>
module attributes {
  llm.model = #llm.model<name = "m", architecture = "llama", vocab_size = 4, hidden_size = 8, num_hidden_layers = 1,
                         max_position_embeddings = 8, dtype = f16, parameters = 8, generation = <eos_token_ids = []>>,
  llm.limits = #llm.limits<max_seq_len = 8, max_tokens_per_step = 8, max_batch = 1, kv_blocks = 1, block_size = 16>,
  llm.precision = #llm.precision<compute = f16, layernorm = f16, softmax = f32, rotary = f32, parameters = f16,
                                 keep_origin = KEEP>} {
  llm.body @norm(%x: tensor<?x8xf16, #tokens>) -> tensor<?x8xf16, #tokens> {
    %w = llm.weight @w from "w" : tensor<8xf16>
    %0 = llm.rms_norm %x, %w eps 1.0e-06 in f16 : tensor<?x8xf16, #tokens>, tensor<8xf16>
    llm.return %0 : tensor<?x8xf16, #tokens>
  }
  npu.program {
    npu.buffer @x : tensor<?x8xf16, #tokens>
    npu.weight @w from "w" packing rows : tensor<8xf16>
    npu.body @norm(weight @w) {
      npu.launch "rms_norm" writes(arena @x) reads(arena @x, parameter @w) {compute = "float16", dtype = "float16"}
    }
  }
}
)mlir";

/// What the verifier says after the pass has run on every member `MemberOp`; empty if it passes.
template <typename MemberOp> std::string complaintAfterWidening(const std::string &keep) {
  mlir::MLIRContext context;
  context.loadDialect<llm::LlmDialect, npu::NpuDialect>();
  std::string text = model, complaint;
  text.replace(text.find("KEEP"), 4, keep);
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) { complaint = diagnostic.str(); });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module) << complaint;
  mlir::PassManager passes(&context);
  if constexpr (std::is_same_v<MemberOp, llm::BodyOp>)
    passes.nest<llm::BodyOp>().addPass(std::make_unique<WidenNorms>());
  else
    passes.nest<npu::ProgramOp>().nest<npu::BodyOp>().addPass(std::make_unique<WidenNorms>());
  EXPECT_EQ(mlir::failed(passes.run(*module)), keep == "true");
  return complaint;
}

TEST(KeepOrigin, HoldsPassesOnTheModel) {
  EXPECT_EQ(complaintAfterWidening<llm::BodyOp>("true"),
            "'llm.rms_norm' op computes in 'f32', but llm.precision keeps layernorm = 'f16'");
  EXPECT_EQ(complaintAfterWidening<llm::BodyOp>("false"), "");
}

TEST(KeepOrigin, HoldsPassesOnTheDeviceProgram) {
  EXPECT_EQ(complaintAfterWidening<npu::BodyOp>("true"),
            "'npu.launch' op of rms_norm has compute 'f32', but llm.precision keeps layernorm = "
            "'f16'");
  EXPECT_EQ(complaintAfterWidening<npu::BodyOp>("false"), "");
}

} // namespace
} // namespace vinci
