// Numbers without a type in textual IR: the custom<PlainInt> and custom<PlainFloat> directives of assembly formats.
#pragma once

#include "mlir/IR/OpImplementation.h"

namespace vinci::llm {

/// `8`: an i64 attribute.
mlir::ParseResult parsePlainInt(mlir::OpAsmParser &parser, mlir::IntegerAttr &value);
void printPlainInt(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::IntegerAttr value);

/// `1.0e-06`: an f64 attribute, printed as the shortest text that reads back as the same number.
mlir::ParseResult parsePlainFloat(mlir::OpAsmParser &parser, mlir::FloatAttr &value);
void printPlainFloat(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::FloatAttr value);

} // namespace vinci::llm
