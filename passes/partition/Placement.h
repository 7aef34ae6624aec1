// Where each weight goes: the Megatron way. https://arxiv.org/abs/1909.08053, section 3
//
// A projection that comes first (q, k, v, gate, up) is divided by its rows, so that each rank has
// whole heads or columns of its own; the one that follows (o, down) by its columns, which leaves
// partial sums. Vocabularies are divided by rows, experts among ranks.
#pragma once

#include "passes/partition/Degrees.h"
#include "passes/partition/Sharding.h"

namespace vinci {

/// Fails with a diagnostic that says which degrees would be legal if what `body` divides does not
/// divide evenly.
mlir::LogicalResult checkDegrees(llm::BodyOp body, const ParallelDegrees &degrees);

/// Makes `weight` what a rank holds of it. `kvHeads` are those of the whole model.
Sharding placeWeight(llm::WeightOp weight, const ParallelAxes &axes, int64_t kvHeads);

/// Likewise.
Sharding placeKvCache(llm::KvCacheOp cache, const ParallelAxes &axes);

} // namespace vinci
