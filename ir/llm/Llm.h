// The llm dialect: what a large language model computes. The td files beside this header are its
// specification.
#pragma once

#include "ir/llm/Dims.h"
#include "ir/llm/Precision.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/llm/LlmDialect.h.inc"
#include "ir/llm/LlmEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/llm/LlmAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/llm/LlmTypes.h.inc"

#include "ir/llm/LlmInterfaces.h.inc"

#define GET_OP_CLASSES
#include "ir/llm/LlmOps.h.inc"

namespace vinci::llm {

/// The module's `llm.model`, `llm.limits`, `llm.precision` and `llm.mesh`, or null. `op` is the
/// module or anything in it.
ModelAttr findModel(mlir::Operation *op);
LimitsAttr findLimits(mlir::Operation *op);
PrecisionAttr findPrecision(mlir::Operation *op);
/// Null: for one device.
MeshAttr findMesh(mlir::Operation *op);

} // namespace vinci::llm
