#include "tools/compiler/ir_file.h"
#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"
#include "runtime/support/json.h"
#include "tools/compiler/ir_text.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/SourceMgr.h"

namespace vinci {

mlir::OwningOpRef<mlir::ModuleOp> readIrFile(mlir::MLIRContext &context,
                                             const std::filesystem::path &path,
                                             DiagnosticCollector &diagnostics) {
  std::string text = readTextFile(path, maxIrBytes);
  checkIrText(text, path.string());
  context.loadDialect<llm::LlmDialect, npu::NpuDialect>();
  diagnostics.setFile(path.string());
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, path.string()),
                             llvm::SMLoc());
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
  if (!module)
    diagnostics.throwError();
  return module;
}

} // namespace vinci
