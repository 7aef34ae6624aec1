// Numbers without a type in textual IR, and the directives custom<PlainInt> and custom<PlainFloat>
// of assembly formats.
#pragma once

#include "mlir/IR/OpImplementation.h"

namespace vinci::llm {

/// `8`: an i64 attribute.
mlir::ParseResult parsePlainInt(mlir::OpAsmParser &parser, mlir::IntegerAttr &value);
void printPlainInt(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::IntegerAttr value);

/// The shortest text that reads back as the same number, without a type.
void printReal(mlir::AsmPrinter &printer, mlir::FloatAttr value);

/// `1.0e-06`: an f64 attribute.
mlir::ParseResult parsePlainFloat(mlir::OpAsmParser &parser, mlir::FloatAttr &value);
void printPlainFloat(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::FloatAttr value);

} // namespace vinci::llm
