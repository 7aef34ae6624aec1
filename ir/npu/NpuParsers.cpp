// The short spelling of operands, parameters, bindings and constants inside the ops.
#include "ir/llm/Pieces.h"
#include "ir/llm/PlainNumbers.h"
#include "ir/npu/Npu.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace vinci::npu {

using llm::parsePlainInt, llm::printPlainInt, llm::parsePlainFloat, llm::printPlainFloat,
    llm::parsePieces, llm::printPieces;

/// `arena @x`: a keyword of the enum and a symbol.
template <typename Enum, typename Symbolize>
static ParseResult parseKindAndName(AsmParser &parser, Symbolize symbolize, Enum &kind,
                                    FlatSymbolRefAttr &name) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  StringAttr symbol;
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<Enum> parsed = symbolize(keyword);
  if (!parsed)
    return parser.emitError(loc) << "unknown kind '" << keyword << "'";
  kind = *parsed;
  if (parser.parseSymbolName(symbol))
    return failure();
  name = FlatSymbolRefAttr::get(symbol);
  return success();
}

/// A parenthesised list of whatever `parseElement` returns.
template <typename ParseElement>
static ParseResult parseAttrList(OpAsmParser &parser, ArrayAttr &list, ParseElement parseElement) {
  SmallVector<Attribute> elements;
  auto parseOne = [&]() -> ParseResult {
    Attribute element = parseElement();
    elements.push_back(element);
    return success(element != nullptr);
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne))
    return failure();
  list = parser.getBuilder().getArrayAttr(elements);
  return success();
}

template <typename PrintElement>
static void printAttrList(OpAsmPrinter &printer, ArrayAttr list, PrintElement printElement) {
  printer << "(";
  llvm::interleaveComma(list, printer, printElement);
  printer << ")";
}

//===- Operands and parameters ----------------------------------------------------------------===//

static ParseResult parseOperands(OpAsmParser &parser, ArrayAttr &operands) {
  return parseAttrList(parser, operands, [&]() -> Attribute {
    Space space;
    FlatSymbolRefAttr name;
    if (parseKindAndName(
            parser, [](StringRef text) { return symbolizeSpace(text); }, space, name))
      return {};
    return OperandAttr::get(parser.getContext(), space, name);
  });
}

static void printOperands(OpAsmPrinter &printer, Operation *, ArrayAttr operands) {
  printAttrList(printer, operands, [&](Attribute attribute) {
    auto operand = cast<OperandAttr>(attribute);
    printer << stringifySpace(operand.getSpace()) << " " << operand.getName();
  });
}

static ParseResult parseParameters(OpAsmParser &parser, ArrayAttr &parameters) {
  return parseAttrList(parser, parameters, [&]() -> Attribute {
    BindingKind kind;
    FlatSymbolRefAttr name;
    if (parseKindAndName(
            parser, [](StringRef text) { return symbolizeBindingKind(text); }, kind, name))
      return {};
    return ParameterAttr::get(parser.getContext(), kind, name);
  });
}

static void printParameters(OpAsmPrinter &printer, Operation *, ArrayAttr parameters) {
  printAttrList(printer, parameters, [&](Attribute attribute) {
    auto parameter = cast<ParameterAttr>(attribute);
    printer << stringifyBindingKind(parameter.getKind()) << " " << parameter.getName();
  });
}

//===- Bindings -------------------------------------------------------------------------------===//

/// `weight @x`, `kv_cache 3` or `nothing`.
static BindingAttr parseBinding(AsmParser &parser) {
  if (succeeded(parser.parseOptionalKeyword("kv_cache"))) {
    int64_t layer = 0;
    if (parser.parseInteger(layer))
      return {};
    return BindingAttr::get(parser.getContext(), layer);
  }
  if (succeeded(parser.parseOptionalKeyword("nothing")))
    return BindingAttr::get(parser.getContext());
  StringAttr weight;
  if (parser.parseKeyword("weight", ", 'kv_cache' or 'nothing'") || parser.parseSymbolName(weight))
    return {};
  return BindingAttr::get(FlatSymbolRefAttr::get(weight));
}

static void printBinding(AsmPrinter &printer, BindingAttr binding) {
  printer << stringifyBindingKind(binding.getKind());
  if (binding.getKind() == BindingKind::Weight)
    printer << " " << binding.getWeight();
  else if (binding.getKind() == BindingKind::KvCache)
    printer << " " << binding.getLayer();
}

Attribute BindingAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  BindingAttr binding = parseBinding(parser);
  if (!binding || parser.parseGreater())
    return {};
  return binding;
}

void BindingAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printBinding(printer, *this);
  printer << ">";
}

static ParseResult parseBindings(OpAsmParser &parser, ArrayAttr &bindings) {
  return parseAttrList(parser, bindings, [&]() -> Attribute { return parseBinding(parser); });
}

static void printBindings(OpAsmPrinter &printer, Operation *, ArrayAttr bindings) {
  printAttrList(printer, bindings,
                [&](Attribute attribute) { printBinding(printer, cast<BindingAttr>(attribute)); });
}

//===- Constants ------------------------------------------------------------------------------===//

static ParseResult parseConstants(OpAsmParser &parser, DictionaryAttr &constants) {
  NamedAttrList attributes;
  if (parser.parseOptionalAttrDict(attributes))
    return failure();
  constants = attributes.getDictionary(parser.getContext());
  return success();
}

/// Like a dictionary, without the types of numbers.
static void printConstants(OpAsmPrinter &printer, Operation *op, DictionaryAttr constants) {
  printer << "{";
  llvm::interleaveComma(constants, printer, [&](NamedAttribute constant) {
    printer.printKeywordOrString(constant.getName());
    printer << " = ";
    if (auto number = dyn_cast<IntegerAttr>(constant.getValue());
        number && number.getType().isInteger(64))
      printPlainInt(printer, op, number);
    else if (auto real = dyn_cast<FloatAttr>(constant.getValue()); real && real.getType().isF64())
      printPlainFloat(printer, op, real);
    else
      printer << constant.getValue();
  });
  printer << "}";
}

//===- Step tensors ---------------------------------------------------------------------------===//

/// `(name: type, ...)`.
static ParseResult parseNamedTypes(OpAsmParser &parser, ArrayAttr &names,
                                   SmallVectorImpl<Type> &types) {
  return parseAttrList(parser, names, [&]() -> Attribute {
    std::string name;
    if (parser.parseKeywordOrString(&name) || parser.parseColonType(types.emplace_back()))
      return {};
    return parser.getBuilder().getStringAttr(name);
  });
}

static void printNamedTypes(OpAsmPrinter &printer, ArrayAttr names, TypeRange types) {
  printer << "(";
  llvm::interleaveComma(llvm::zip(names, types), printer, [&](auto pair) {
    printer.printKeywordOrString(cast<StringAttr>(std::get<0>(pair)));
    printer << ": " << std::get<1>(pair);
  });
  printer << ")";
}

static ParseResult parseStepTensors(OpAsmParser &parser, ArrayAttr &inputs, ArrayAttr &outputs,
                                    TypeAttr &type) {
  SmallVector<Type> inputTypes, outputTypes;
  if (parseNamedTypes(parser, inputs, inputTypes) || parser.parseArrow() ||
      parseNamedTypes(parser, outputs, outputTypes))
    return failure();
  type = TypeAttr::get(parser.getBuilder().getFunctionType(inputTypes, outputTypes));
  return success();
}

static void printStepTensors(OpAsmPrinter &printer, Operation *, ArrayAttr inputs,
                             ArrayAttr outputs, TypeAttr type) {
  auto function = cast<FunctionType>(type.getValue());
  printNamedTypes(printer, inputs, function.getInputs());
  printer << " -> ";
  printNamedTypes(printer, outputs, function.getResults());
}

} // namespace vinci::npu

#define GET_OP_CLASSES
#include "ir/npu/NpuOps.cpp.inc"
