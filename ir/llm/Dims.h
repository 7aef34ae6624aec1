// Symbolic dimensions of a step, and tensor types made of them.
//
// A shape is a list of DimExpr: a constant, or a multiple of a symbol whose value the runtime knows
// at each step. In a tensor type a constant is a static dimension and a symbol a dynamic one, named
// by the type's #llm.dims encoding.
#pragma once

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpImplementation.h"

#include <cstdint>
#include <optional>

namespace vinci::llm {

/// Values match `Symbol` of runtime/plan/plan.fbs.
enum class Symbol : uint8_t { One = 0, Tokens = 1, Sequences = 2, LogitRows = 3, TokenShares = 4 };

/// "tokens", "sequences", "logit_rows", "token_shares".
llvm::StringRef toString(Symbol symbol);

/// `scale` times `symbol`. Implicit from an integer: a constant.
struct DimExpr {
  Symbol symbol = Symbol::One;
  int64_t scale = 1;

  DimExpr() = default;
  DimExpr(int64_t constant) : scale(constant) {}
  DimExpr(Symbol symbol, int64_t scale = 1) : symbol(symbol), scale(scale) {}

  bool isConstant() const { return symbol == Symbol::One; }
  bool operator==(const DimExpr &other) const = default;
};

llvm::hash_code hash_value(const DimExpr &dim);

/// "256", "tokens", "tokens*8".
std::string toString(const DimExpr &dim);

/// The inverse of toString for symbolic dimensions; nullopt for anything else.
std::optional<DimExpr> parseDim(llvm::StringRef text);

/// No dimension may exceed this (the plan's tile rules count in 32 bits), nor a tensor hold more
/// elements.
inline constexpr int64_t maxDimension = (int64_t(1) << 31) - 1;
inline constexpr int64_t maxElements = int64_t(1) << 40;
/// Nor may a model have more layers: an entry lists a call for each.
inline constexpr int64_t maxHiddenLayers = 4096;

/// The tensor type of this shape.
mlir::RankedTensorType tensorOf(mlir::Type elementType, llvm::ArrayRef<DimExpr> shape);

/// The shape of a tensor type; a dynamic dimension without a name counts as {Symbol::One, 0}.
llvm::SmallVector<DimExpr> shapeOf(mlir::RankedTensorType type);

/// True if every dynamic dimension has a name, there is no other encoding, and the size is within
/// the bounds above (the static dimensions and scales alone).
bool hasNamedDims(mlir::Type type);

/// "[tokens, 256]": for messages.
std::string shapeString(mlir::RankedTensorType type);
std::string shapeString(llvm::ArrayRef<DimExpr> shape);

/// `[1, 2, 3]` as an attribute parameter.
mlir::FailureOr<llvm::SmallVector<int64_t>> parseIntList(mlir::AsmParser &parser);
void printIntList(mlir::AsmPrinter &printer, llvm::ArrayRef<int64_t> values);

} // namespace vinci::llm
