// IR as lists of commands, for showing how two modules differ.
#pragma once

#include "tools/compiler/program_view.h"

#include "mlir/IR/BuiltinOps.h"

namespace vinci {

/// A body for each llm.body, llm.entry, npu.body and npu.entry, and one for what else stands in the
/// module or in its npu.program.
std::vector<BodyView> viewOf(mlir::ModuleOp module);

} // namespace vinci
