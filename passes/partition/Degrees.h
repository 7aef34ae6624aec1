// How the ranks of a model divide the work: degrees of parallelism, the mesh that they make, and
// the axes of the mesh that each part of the model is divided over.
//
// Ranks next to each other form the groups of tensor parallelism; what is left of the world is data
// parallelism for attention and expert parallelism for the experts. With world 32, attn_tp 4
// and moe_tp 1 the mesh is [8, 4]: attention goes over axis 1, the data over axis 0, the experts
// over both.
#pragma once

#include "ir/llm/Llm.h"

#include <cstdint>
#include <string>

namespace vinci {

struct ParallelDegrees {
  int64_t world = 1;
  int64_t attentionTp = 1; ///< heads, and the MLPs of dense layers
  int64_t moeTp = 1; ///< the width of experts; world / moeTp is the degree of expert parallelism
  int64_t embeddingTp = 1; ///< the vocabulary of the embedding
  int64_t lmHeadTp = 1;    ///< the vocabulary of the head

  bool operator==(const ParallelDegrees &) const = default;
};

/// "1, 2, 4": the degrees that divide `world` ranks.
std::string divisorsOf(int64_t world);

/// What is wrong with the degrees by themselves, with what would be legal; empty if nothing is.
std::string findProblem(const ParallelDegrees &degrees);

using Axes = llvm::SmallVector<int64_t, 2>;

/// Ascending axes of the mesh.
struct ParallelAxes {
  llvm::SmallVector<int64_t> mesh;
  Axes attention, data, expertWidth, experts, embedding, lmHead;
};

/// For degrees without a problem.
ParallelAxes axesOf(const ParallelDegrees &degrees);

} // namespace vinci
