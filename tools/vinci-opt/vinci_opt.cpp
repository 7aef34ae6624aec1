// vinci-opt: reads IR, runs passes, prints IR. Everything is MLIR's opt driver: --help lists the
// passes and the pipeline, and reproducers, timing, statistics and printing between passes come
// with it.
#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"
#include "passes/passes.h"
#include "passes/pipelines.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<vinci::llm::LlmDialect, vinci::npu::NpuDialect>();
  mlir::registerCSEPass();
  mlir::registerCanonicalizerPass();
  mlir::registerStripDebugInfoPass();
  vinci::registerVinciPasses();
  vinci::registerCompilePipeline();
  return mlir::failed(mlir::MlirOptMain(argc, argv, "Vinci's pass driver\n", registry));
}
