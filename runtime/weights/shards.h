// From a weight's pieces and shards to what one rank packs of a checkpoint.
#pragma once

#include "runtime/plan/mesh.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/packing.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vinci {

/// How many tensors of the checkpoint a piece stands for: 1, or those of the whole stack, which the
/// ranks may share.
uint64_t tensorCount(const fb::Weight &weight, const fb::WeightPiece &piece);

/// The part of a piece that a rank holds.
struct HeldPiece {
  std::string name; ///< of the required tensor
  const WeightSource *source = nullptr;
  PackedRows rows;
};

/// What `rank` holds of tensor `index` of `weight`: 0, or less than its count. One for each piece.
std::vector<HeldPiece> heldPieces(const fb::Weight &weight, uint32_t index,
                                  const WeightSources &sources, const Mesh &mesh, uint32_t rank);

} // namespace vinci
