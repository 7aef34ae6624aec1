// MLIR's diagnostics as vinci::Error.
#pragma once

#include "runtime/support/error.h"

#include "mlir/IR/Diagnostics.h"

#include <optional>

namespace vinci {

/// Keeps the first error that MLIR reports while it lives, with its place in the source, and every
/// remark.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context);
  /// Places without a folder (`config.json:12:3`) are shown inside this one.
  void setFile(std::string name) { file_ = std::move(name); }
  /// Throws what was kept: a user error.
  [[noreturn]] void throwError();
  /// `config.json:12:3: remark: …`, in the order in which they came.
  const std::vector<std::string> &remarks() const { return remarks_; }

private:
  std::string file_;
  std::optional<std::pair<SourcePosition, std::string>> first_;
  std::vector<std::string> remarks_;
  mlir::ScopedDiagnosticHandler handler_;
};

} // namespace vinci
