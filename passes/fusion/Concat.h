// Several projections of one input as one, with their weights joined along the rows.
#pragma once

#include "ir/llm/Llm.h"

#include <optional>
#include <string>

namespace vinci {

/// True for the ops that are products with a weight: llm.matmul and its kin on int8 and by experts.
bool isProjection(mlir::Operation *op);

/// Why these projections cannot be one op; nullopt if they can.
std::optional<std::string> whyNotJoined(llvm::ArrayRef<mlir::Operation *> projections);

/// The projection that has the columns of all, where the first of them stands; `pass` makes it. Its
/// weight is called `name`, and what belongs to the weight likewise. The old ones are still there.
mlir::Value join(llvm::ArrayRef<mlir::Operation *> projections, llvm::StringRef name,
                 llvm::StringRef pass);

/// Erases an op that nobody uses, and what was there for it alone.
void eraseDead(mlir::Operation *op);

} // namespace vinci
