// IR files as input: textual `llm` IR from anyone, bytecode only as trusted input.
#pragma once

#include "tools/compiler/diagnostics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <filesystem>

namespace vinci {

/// Parses and verifies. Throws Error with the place for everything that is wrong, including files
/// that are too large or nested too deep to be given to the parser.
mlir::OwningOpRef<mlir::ModuleOp> readIrFile(mlir::MLIRContext &context,
                                             const std::filesystem::path &path,
                                             DiagnosticCollector &diagnostics);

} // namespace vinci
