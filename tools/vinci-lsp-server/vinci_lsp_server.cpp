// vinci-lsp-server: MLIR's language server with Vinci's dialects.
#include "ir/llm/Llm.h"

#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<vinci::llm::LlmDialect>();
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
