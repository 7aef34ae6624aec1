#include "ir/llm/Dims.h"

#include "ir/llm/Llm.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/StringExtras.h"

namespace vinci::llm {

llvm::StringRef toString(Symbol symbol) {
  switch (symbol) {
  case Symbol::One:
    return "one";
  case Symbol::Tokens:
    return "tokens";
  case Symbol::Sequences:
    return "sequences";
  case Symbol::LogitRows:
    return "logit_rows";
  case Symbol::TokenShares:
    return "token_shares";
  }
  return "";
}

llvm::hash_code hash_value(const DimExpr &dim) {
  return llvm::hash_combine(static_cast<uint8_t>(dim.symbol), dim.scale);
}

std::string toString(const DimExpr &dim) {
  if (dim.isConstant())
    return std::to_string(dim.scale);
  std::string text = toString(dim.symbol).str();
  return dim.scale == 1 ? text : text + "*" + std::to_string(dim.scale);
}

std::optional<DimExpr> parseDim(llvm::StringRef text) {
  auto [name, scaleText] = text.split('*');
  int64_t scale = 1;
  if (name.size() != text.size() &&
      (scaleText.empty() || scaleText.front() == '0' || !llvm::all_of(scaleText, llvm::isDigit) ||
       scaleText.getAsInteger(10, scale) || scale > maxDimension))
    return std::nullopt;
  for (Symbol symbol : {Symbol::Tokens, Symbol::Sequences, Symbol::LogitRows, Symbol::TokenShares})
    if (name == toString(symbol))
      return DimExpr(symbol, scale);
  return std::nullopt;
}

mlir::RankedTensorType tensorOf(mlir::Type elementType, llvm::ArrayRef<DimExpr> shape) {
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<DimExpr> names;
  for (const DimExpr &dim : shape) {
    sizes.push_back(dim.isConstant() ? dim.scale : mlir::ShapedType::kDynamic);
    if (!dim.isConstant())
      names.push_back(dim);
  }
  mlir::Attribute encoding;
  if (!names.empty())
    encoding = DimsAttr::get(elementType.getContext(), names);
  return mlir::RankedTensorType::get(sizes, elementType, encoding);
}

llvm::SmallVector<DimExpr> shapeOf(mlir::RankedTensorType type) {
  auto dims = llvm::dyn_cast_or_null<DimsAttr>(type.getEncoding());
  llvm::ArrayRef<DimExpr> names = dims ? dims.getNames() : llvm::ArrayRef<DimExpr>();
  llvm::SmallVector<DimExpr> shape;
  for (int64_t size : type.getShape()) {
    if (!mlir::ShapedType::isDynamic(size)) {
      shape.emplace_back(size);
    } else if (names.empty()) {
      shape.emplace_back(int64_t(0));
    } else {
      shape.push_back(names.front());
      names = names.drop_front();
    }
  }
  return shape;
}

bool hasNamedDims(mlir::Type type) {
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
  if (!tensor)
    return false;
  auto dims = llvm::dyn_cast_or_null<DimsAttr>(tensor.getEncoding());
  if (tensor.getEncoding() && !dims)
    return false;
  if (tensor.getNumDynamicDims() != static_cast<int64_t>(dims ? dims.getNames().size() : 0))
    return false;
  int64_t elements = 1;
  for (const DimExpr &dim : shapeOf(tensor)) {
    if (dim.scale < 1 || dim.scale > maxDimension || elements > maxElements / dim.scale)
      return false;
    elements *= dim.scale;
  }
  return true;
}

std::string shapeString(llvm::ArrayRef<DimExpr> shape) {
  std::string text = "[";
  for (const DimExpr &dim : shape) {
    if (text.size() > 1)
      text += ", ";
    text += toString(dim);
  }
  return text + "]";
}

std::string shapeString(mlir::RankedTensorType type) {
  return shapeString(shapeOf(type));
}

mlir::FailureOr<llvm::SmallVector<int64_t>> parseIntList(mlir::AsmParser &parser) {
  llvm::SmallVector<int64_t> values;
  auto parseElement = [&] { return parser.parseInteger(values.emplace_back()); };
  if (parser.parseCommaSeparatedList(mlir::AsmParser::Delimiter::Square, parseElement))
    return mlir::failure();
  return values;
}

void printIntList(mlir::AsmPrinter &printer, llvm::ArrayRef<int64_t> values) {
  printer << "[";
  llvm::interleaveComma(values, printer);
  printer << "]";
}

} // namespace vinci::llm
