// Where IR came from: places in the files of a model.
#pragma once

#include "mlir/IR/Location.h"

#include <string>

namespace vinci::llm {

/// The first place in a file that `location` names; null where the IR was not made from one.
mlir::FileLineColLoc fileLocation(mlir::Location location);

/// "config.json:12:3", or empty.
std::string locationText(mlir::Location location);

} // namespace vinci::llm
