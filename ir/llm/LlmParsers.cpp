// The textual forms that assemblyFormat cannot say: signatures whose argument names are part of the
// op, and numbers without a type.
#include "ir/llm/Llm.h"
#include "ir/llm/Pieces.h"
#include "ir/llm/PlainNumbers.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;

namespace vinci::llm {

//===- custom<...> directives -----------------------------------------------------------------===//

/// One type for two operands.
static ParseResult parseSameTypes(OpAsmParser &parser, Type &first, Type &second) {
  if (parser.parseType(first))
    return failure();
  second = first;
  return success();
}

static void printSameTypes(OpAsmPrinter &printer, Operation *, Type first, Type) {
  printer << first;
}

/// `in f16`: what a region computes in, behind `keyword`; nothing for f32.
static ParseResult parseRegionType(OpAsmParser &parser, StringRef keyword, TypeAttr &type) {
  Type parsed = parser.getBuilder().getF32Type();
  if (succeeded(parser.parseOptionalKeyword(keyword)) && parser.parseType(parsed))
    return failure();
  type = TypeAttr::get(parsed);
  return success();
}

static void printRegionType(OpAsmPrinter &printer, StringRef keyword, TypeAttr type) {
  if (!type.getValue().isF32())
    printer << " " << keyword << " " << type.getValue();
}

static ParseResult parseComputeType(OpAsmParser &parser, TypeAttr &type) {
  return parseRegionType(parser, "in", type);
}

static void printComputeType(OpAsmPrinter &printer, Operation *, TypeAttr type) {
  printRegionType(printer, "in", type);
}

static ParseResult parseSoftmaxType(OpAsmParser &parser, TypeAttr &type) {
  return parseRegionType(parser, "softmax", type);
}

static void printSoftmaxType(OpAsmPrinter &printer, Operation *, TypeAttr type) {
  printRegionType(printer, "softmax", type);
}

//===- Signatures -----------------------------------------------------------------------------===//

/// `@name(%a: type, ...)`: the names without % become `argNames`.
static ParseResult parseNameAndArguments(OpAsmParser &parser, OperationState &state,
                                         SmallVectorImpl<OpAsmParser::Argument> &arguments) {
  StringAttr name;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(), state.attributes) ||
      parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren, /*allowType=*/true))
    return failure();
  SmallVector<StringRef> names;
  for (const OpAsmParser::Argument &argument : arguments)
    names.push_back(argument.ssaName.name.drop_front());
  state.addAttribute("arg_names", parser.getBuilder().getStrArrayAttr(names));
  return success();
}

/// Everything after the results: attributes, the body; and the function type from what was parsed.
static ParseResult parseRest(OpAsmParser &parser, OperationState &state,
                             ArrayRef<OpAsmParser::Argument> arguments, ArrayRef<Type> results) {
  SmallVector<Type> inputs;
  for (const OpAsmParser::Argument &argument : arguments)
    inputs.push_back(argument.type);
  Builder &builder = parser.getBuilder();
  state.addAttribute("function_type", TypeAttr::get(builder.getFunctionType(inputs, results)));
  return failure(parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
                 parser.parseRegion(*state.addRegion(), arguments));
}

/// Region arguments are printed when the entry block is there and agrees with the type; the generic
/// form shows the rest.
static void printArguments(OpAsmPrinter &printer, Region &region) {
  printer << "(";
  llvm::interleaveComma(region.getArguments(), printer,
                        [&](BlockArgument argument) { printer.printRegionArgument(argument); });
  printer << ")";
}

static void printRest(OpAsmPrinter &printer, Operation *op, Region &region) {
  printer.printOptionalAttrDictWithKeyword(op->getAttrs(),
                                           {"sym_name", "function_type", "arg_names", "res_names"});
  printer << " ";
  printer.printRegion(region, /*printEntryBlockArgs=*/false);
}

ParseResult BodyOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> results;
  return failure(parseNameAndArguments(parser, state, arguments) ||
                 parser.parseOptionalArrowTypeList(results) ||
                 parseRest(parser, state, arguments, results));
}

void BodyOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printArguments(printer, getBody());
  printer.printOptionalArrowTypeList(getFunctionType().getResults());
  printRest(printer, *this, getBody());
}

ParseResult EntryOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> results;
  SmallVector<std::string> names;
  auto parseResult = [&]() -> ParseResult {
    return failure(parser.parseKeywordOrString(&names.emplace_back()) ||
                   parser.parseColonType(results.emplace_back()));
  };
  if (parseNameAndArguments(parser, state, arguments))
    return failure();
  if (succeeded(parser.parseOptionalArrow()) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseResult))
    return failure();
  SmallVector<StringRef> nameRefs(names.begin(), names.end());
  state.addAttribute("res_names", parser.getBuilder().getStrArrayAttr(nameRefs));
  return parseRest(parser, state, arguments, results);
}

void EntryOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printArguments(printer, getBody());
  if (!getResNames().empty()) {
    printer << " -> (";
    llvm::interleaveComma(llvm::zip(getResNames(), getFunctionType().getResults()), printer,
                          [&](auto result) {
                            printer.printKeywordOrString(cast<StringAttr>(std::get<0>(result)));
                            printer << ": " << std::get<1>(result);
                          });
    printer << ")";
  }
  printRest(printer, *this, getBody());
}

//===- Names of values ------------------------------------------------------------------------===//

static void nameArguments(Region &region, ArrayAttr names, OpAsmSetValueNameFn setName) {
  for (auto [argument, name] : llvm::zip(region.getArguments(), names))
    if (auto text = dyn_cast<StringAttr>(name))
      setName(argument, text);
}

void BodyOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  nameArguments(region, getArgNames(), setName);
}

void EntryOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  nameArguments(region, getArgNames(), setName);
}

void WeightOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), getSymName());
}

void ConstantOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), getSymName());
}

void KvCacheOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), "kv_cache");
}

//===- Builders -------------------------------------------------------------------------------===//

void BodyOp::buildCallable(OpBuilder &builder, OperationState &state, StringRef name,
                           FunctionType type, ArrayRef<StringRef> argNames) {
  state.addAttribute("sym_name", builder.getStringAttr(name));
  state.addAttribute("function_type", TypeAttr::get(type));
  state.addAttribute("arg_names", builder.getStrArrayAttr(argNames));
  Block &block = state.addRegion()->emplaceBlock();
  for (Type input : type.getInputs())
    block.addArgument(input, state.location);
}

void EntryOp::build(OpBuilder &builder, OperationState &state, StringRef name, FunctionType type,
                    ArrayRef<StringRef> argNames, ArrayRef<StringRef> resNames) {
  BodyOp::buildCallable(builder, state, name, type, argNames);
  state.addAttribute("res_names", builder.getStrArrayAttr(resNames));
}

} // namespace vinci::llm

#define GET_OP_CLASSES
#include "ir/llm/LlmOps.cpp.inc"
