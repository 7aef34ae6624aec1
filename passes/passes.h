// Vinci's passes, and their registration for command lines and textual pipelines.
#pragma once

#include "ir/npu/Npu.h"

#include "mlir/Pass/Pass.h"

#include <memory>

namespace vinci {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace vinci
