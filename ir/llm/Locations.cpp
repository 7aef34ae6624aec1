#include "ir/llm/Locations.h"

#include "mlir/IR/BuiltinAttributes.h"

#include "llvm/ADT/Twine.h"

namespace vinci::llm {

mlir::FileLineColLoc fileLocation(mlir::Location location) {
  mlir::FileLineColLoc found;
  location->walk([&](mlir::Location part) {
    found = mlir::dyn_cast<mlir::FileLineColLoc>(part);
    return found ? mlir::WalkResult::interrupt() : mlir::WalkResult::advance();
  });
  return found;
}

std::string locationText(mlir::Location location) {
  const mlir::FileLineColLoc file = fileLocation(location);
  if (!file)
    return {};
  return (file.getFilename().getValue() + ":" + llvm::Twine(file.getLine()) + ":" +
          llvm::Twine(file.getColumn()))
      .str();
}

} // namespace vinci::llm
