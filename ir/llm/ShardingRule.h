// How the dimensions of an op factor: what its sharding rule says, read for the op at hand.
//
//   (i,k),(j,k),(j)->(i,j)
//
// names a factor for each dimension of each operand and result. Dimensions of one name are divided
// alike; sharding a factor that results have shards them, and sharding one that only operands have
// leaves partial sums. `n!` may not be sharded. `..` stands for the dimensions of an operand of any
// rank, each a factor of its own, the same in every `..`. `()` says nothing of the dimensions,
// which are whole. The op is linear in an operand marked `~`: where all of these are partial sums,
// the results are.
#pragma once

#include "ir/llm/Llm.h"

#include <string>
#include <vector>

namespace vinci::llm {

struct ShardingRule {
  struct Dims {
    std::vector<unsigned> factors; ///< by dimension, indices of `whole`
    bool linear = false;
  };
  std::vector<bool> whole; ///< by factor: may not be sharded
  std::vector<Dims> operands, results;
};

/// The rule of `op` with its operands and results as they are; without those of optional operands
/// that it lacks. Fails with a diagnostic for an op without a rule.
mlir::FailureOr<ShardingRule> shardingRuleOf(mlir::Operation *op);

} // namespace vinci::llm
