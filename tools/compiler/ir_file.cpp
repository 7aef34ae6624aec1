#include "tools/compiler/ir_file.h"
#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"
#include "runtime/support/json.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/SourceMgr.h"

namespace vinci {

/// MLIR's parser recurses on brackets: too many of them would end the stack. Brackets in strings
/// count too; no IR of ours comes near the limit.
static void checkNesting(const std::string &file, std::string_view text) {
  unsigned depth = 0;
  SourcePosition position{file, 1, 0};
  for (const char c : text) {
    ++position.column;
    if (c == '\n')
      position = {file, position.line + 1, 0};
    else if (c == '(' || c == '[' || c == '{' || c == '<') {
      if (++depth > maxIrNesting)
        fail(position, "the IR is nested more than {} brackets deep", maxIrNesting);
    } else if ((c == ')' || c == ']' || c == '}' || c == '>') && depth > 0)
      --depth;
  }
}

mlir::OwningOpRef<mlir::ModuleOp> readIrFile(mlir::MLIRContext &context,
                                             const std::filesystem::path &path,
                                             DiagnosticCollector &diagnostics) {
  std::string text = readTextFile(path, maxIrBytes);
  if (!text.starts_with("ML\xefR")) // bytecode
    checkNesting(path.string(), text);
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
