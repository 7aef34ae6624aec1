#include "tools/compiler/diagnostics.h"

#include "ir/llm/Locations.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"

namespace vinci {

static SourcePosition positionOf(mlir::Location location) {
  const mlir::FileLineColLoc file = llm::fileLocation(location);
  return file ? SourcePosition{file.getFilename().str(), file.getLine(), file.getColumn()}
              : SourcePosition();
}

DiagnosticCollector::DiagnosticCollector(mlir::MLIRContext &context)
    : handler_(&context, [this](mlir::Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && !first_) {
          SourcePosition position = positionOf(diagnostic.getLocation());
          if (position.file.empty())
            position.file = file_;
          first_.emplace(std::move(position), diagnostic.str());
        }
        if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Remark)
          remarks_.push_back(fmt::format(
              "{}: remark: {}", toString(positionOf(diagnostic.getLocation())), diagnostic.str()));
        return mlir::success();
      }) {}

void DiagnosticCollector::throwError() {
  if (!first_)
    failInternal("a compiler pass failed without saying why");
  fail(first_->first, "{}", first_->second);
}

} // namespace vinci
