// vinci-opt: reads IR, runs passes, prints IR. Everything is MLIR's opt driver: --help lists the
// passes and the pipeline, and reproducers, timing, statistics and printing between passes come
// with it. Before it, text is looked at as `vinci` does.
#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"
#include "passes/passes.h"
#include "passes/pipelines.h"
#include "runtime/support/error.h"
#include "tools/compiler/ir_text.h"

#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

static int fail(const std::string &message) {
  llvm::errs() << message << "\n";
  return 1;
}

static int run(const std::string &input, const std::string &output,
               mlir::DialectRegistry &registry) {
  std::string message;
  auto text = mlir::openInputFile(input, &message);
  if (!text)
    return fail(message);
  vinci::checkIrText(text->getBuffer(), input == "-" ? "<stdin>" : input);
  const auto out = mlir::openOutputFile(output, &message);
  if (!out)
    return fail(message);
  if (mlir::failed(mlir::MlirOptMain(out->os(), std::move(text), registry,
                                     mlir::MlirOptMainConfig::createFromCLOptions())))
    return 1;
  out->keep();
  return 0;
}

int main(int argc, char **argv) {
  const llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  registry.insert<vinci::llm::LlmDialect, vinci::npu::NpuDialect>();
  mlir::registerCSEPass();
  mlir::registerCanonicalizerPass();
  mlir::registerStripDebugInfoPass();
  vinci::registerVinciPasses();
  vinci::registerCompilePipeline();
  const auto [input, output] =
      mlir::registerAndParseCLIOptions(argc, argv, "Vinci's pass driver\n", registry);
  try {
    return run(input, output, registry);
  } catch (const vinci::Error &error) {
    return fail(error.what());
  }
}
