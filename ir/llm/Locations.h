// Where IR came from: places in the files of a model, and the passes that made ops of others.
//
// Locations carry both, so that they survive every pass, dumps, and reading those back:
//
//   loc(fused<"fuse-swiglu">["llm.silu"("gate_proj"("config.json":13:24)),
//                            "llm.mul"("gate_proj"("config.json":13:24))])
//
// The metadata of a fused location is the pass; its parts are the ops that are gone, each under its
// name. "gate_proj" is the role of an op in its body. An op that a pass has added beside others,
// such as a collective, has a part that is no op.
#pragma once

#include "ir/llm/Origin.h"

#include "mlir/IR/Location.h"
#include "mlir/IR/Operation.h"

#include <string>

namespace vinci::llm {

/// The first place in a file that `location` names; null where the IR was not made from one.
mlir::FileLineColLoc fileLocation(mlir::Location location);

/// "config.json:12:3", or empty.
std::string locationText(mlir::Location location);

/// The location of an op that `pass` puts in the place of `ops`. What the same pass has made of
/// others before counts as those.
mlir::Location madeOf(llvm::StringRef pass, llvm::ArrayRef<mlir::Operation *> ops);

/// The location of an op that `pass` adds beside what `location` names.
mlir::Location addedBy(llvm::StringRef pass, mlir::Location location);

/// What the location of an op called `op` says; of more than a thousand ops that it stands for, the
/// first thousand.
Origin originOf(llvm::StringRef op, mlir::Location location);

} // namespace vinci::llm
