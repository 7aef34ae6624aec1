#include "tools/compiler/ir_file.h"
#include "ir/llm/Llm.h"
#include "ir/npu/Npu.h"
#include "runtime/support/json.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/SourceMgr.h"

namespace vinci {

/// MLIR's parser recurses on brackets: too many of them would end the stack. And for a use of
/// result
/// `%x#N` it allocates N entries before it knows how many results there are. What stands in strings
/// counts too; no IR of ours comes near the limits.
static void checkBeforeParsing(const std::string &file, std::string_view text) {
  unsigned depth = 0;
  unsigned resultDigits = 0; // digits that follow a '#'
  bool afterHash = false;
  SourcePosition position{file, 1, 0};
  for (const char c : text) {
    ++position.column;
    afterHash = c == '#' || (afterHash && c >= '0' && c <= '9');
    resultDigits = afterHash ? resultDigits + (c != '#') : 0;
    if (resultDigits > maxResultDigits)
      fail(position, "the IR uses a result numbered in more than {} digits", maxResultDigits);
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
    checkBeforeParsing(path.string(), text);
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
