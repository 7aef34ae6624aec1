// What weights are made of: pieces of checkpoint tensors, one after another along their rows.
#pragma once

#include "ir/llm/Llm.h"

namespace vinci::llm {

/// The directive custom<Pieces>: `"a" [8, 4] rows 2 over [0], "b"`.
mlir::ParseResult parsePieces(mlir::AsmParser &parser, mlir::ArrayAttr &pieces);
void printPieces(mlir::AsmPrinter &printer, mlir::Operation *op, mlir::ArrayAttr pieces);

/// The whole checkpoint tensor of `piece` in a weight of type `type`, [n] or [n, k].
llvm::SmallVector<int64_t> checkpointShape(PieceAttr piece, mlir::RankedTensorType type,
                                           bool stacked);

/// What a rank holds of it.
llvm::SmallVector<int64_t> localShape(PieceAttr piece, mlir::RankedTensorType type, bool stacked);

/// Tensors in all of a stack of which a rank holds `count`.
int64_t stackSize(PieceAttr piece, int64_t count);

/// Pieces, stack and type of a weight belong together, and the shards to the mesh of the module.
/// Says what does not through `op`.
mlir::LogicalResult verifyPieces(mlir::Operation *op, mlir::ArrayAttr pieces,
                                 std::optional<int64_t> stack, mlir::RankedTensorType type);

/// The tensors that `equal` names can be compared with the one that is read: of whole weights, one
/// for each layer that has one.
mlir::LogicalResult verifyEqual(mlir::Operation *op, std::optional<mlir::ArrayAttr> equal,
                                mlir::ArrayAttr pieces, std::optional<int64_t> stack);

} // namespace vinci::llm
