// vinci-lsp-server: MLIR's language server with Vinci's dialects.
#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"

#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<vinci::llm::LlmDialect, vinci::npu::NpuDialect>();
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
