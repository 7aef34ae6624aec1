#include "ir/llm/PlainNumbers.h"

#include "mlir/IR/Builders.h"

#include <cmath>
#include <fmt/format.h>

using namespace mlir;

namespace vinci::llm {

ParseResult parsePlainInt(OpAsmParser &parser, IntegerAttr &value) {
  int64_t number = 0;
  if (parser.parseInteger(number))
    return failure();
  value = parser.getBuilder().getI64IntegerAttr(number);
  return success();
}

void printPlainInt(OpAsmPrinter &printer, Operation *, IntegerAttr value) {
  printer << value.getInt();
}

ParseResult parsePlainFloat(OpAsmParser &parser, FloatAttr &value) {
  return parser.parseAttribute(value, parser.getBuilder().getF64Type());
}

void printReal(AsmPrinter &printer, FloatAttr value) {
  double number = value.getValueAsDouble();
  if (!std::isfinite(number)) {
    printer.printAttribute(value);
    return;
  }
  // MLIR's floats need a point: 1e-06 is written 1.0e-06.
  std::string text = fmt::format("{}", number);
  if (text.find('.') == std::string::npos)
    text.insert(std::min(text.find('e'), text.size()), ".0");
  printer << text;
}

void printPlainFloat(OpAsmPrinter &printer, Operation *, FloatAttr value) {
  printReal(printer, value);
}

} // namespace vinci::llm
