// What a command costs, and what a step is, as far as time depends on it: the input of the cost
// model (runtime/device/cost_model.h). `Cost` is plain data, so that a plan can hold it.
#pragma once

#include "runtime/plan/entry_kind.h"
#include "runtime/plan/kernel_abi.h"
#include "runtime/support/dtype.h"

#include <array>
#include <cstdint>
#include <span>

namespace vinci {

/// Which formulas time a command.
enum class CostClass : uint8_t { Vector, Matmul, GroupedMatmul, Attention, Collective };

/// How kernels come to the device: each from Python; each from a compiled schedule with dynamic
/// shapes; all at once, as a captured graph.
enum class LaunchMode : uint8_t { Eager, KernelByKernel, Graph };

/// `scale * symbol`, the size of something in a step.
struct SymbolicCount {
  VinciDim symbol = VINCI_DIM_ONE;
  uint64_t scale = 1;
};

/// What one rank does for one command. Fields that a class does not name are 0.
///
///   Vector         bytes and flops, nothing else
///   Matmul         rows x k times k x n; fixedBytes are the weights, rowBytes input and output
///   GroupedMatmul  `groups` matmuls k x n, one for each expert on the rank; rows are the tokens
///                  before they are routed, each to topK of `experts`; fixedBytes are the weights
///                  of all groups, rowBytes input and output of a token at each of its experts
///   Attention      heads, kvHeads and headDim on the rank, `weights` is the type of the KV cache;
///                  fixedBytes and rowBytes are not used: the step's sums of lengths are
///   Collective     fixedBytes + rows * rowBytes are the whole buffer: what an all-reduce reduces,
///                  an all-gather writes, a reduce-scatter reads, a rank of an all-to-all sends
struct Cost {
  CostClass kind = CostClass::Vector;
  DType weights = DType::BFloat16;
  DType activations = DType::BFloat16;
  SymbolicCount rows = {};
  uint64_t n = 0;
  uint64_t k = 0;
  uint32_t groups = 0;
  uint32_t experts = 0;
  uint32_t topK = 0;
  uint32_t heads = 0;
  uint32_t kvHeads = 0;
  uint32_t headDim = 0;
  uint64_t fixedBytes = 0; ///< read or written whatever the rows
  uint64_t rowBytes = 0;   ///< read or written for each row
  double rowFlops = 0;     ///< of a Vector command, for each row
};

/// A step of one rank. `addSequence` fills in the sums; `logitRows`, `mode` and `expertsHit` are set apart.
struct StepRecord {
  LaunchMode mode = LaunchMode::Graph;
  uint64_t tokens = 0;
  uint64_t sequences = 0;
  uint64_t logitRows = 0;
  uint64_t tokenShares = 1; ///< ranks that divide the tokens among them

  // Sequences with one new token, which attention reads the cache for, and those with several,
  // which it multiplies matrices for.
  uint64_t decodeSequences = 0;
  uint64_t decodeKvTokens = 0; ///< sum of the lengths, the new token included
  uint64_t prefillTokens = 0;
  uint64_t prefillKvTokens = 0; ///< sum of the lengths, the new tokens included
  uint64_t prefillPairs = 0; ///< sum over new tokens of the tokens that each sees, itself included

  /// Experts on the rank that were really hit, for each MoE layer; empty: expected from uniform
  /// routing.
  std::span<const uint32_t> expertsHit = {};

  /// A sequence of which `cached` tokens are in the cache and `added` come.
  void addSequence(uint64_t added, uint64_t cached) {
    ++sequences;
    tokens += added;
    ++logitRows;
    if (added == 1) {
      ++decodeSequences;
      decodeKvTokens += cached + 1;
    } else {
      prefillTokens += added;
      prefillKvTokens += cached + added;
      prefillPairs += added * cached + added * (added + 1) / 2;
    }
  }

  uint64_t count(SymbolicCount count) const {
    const std::array<uint64_t, VINCI_DIM_COUNT> values = {
        1, tokens, sequences, logitRows, (tokens + tokenShares - 1) / tokenShares};
    return count.scale * values[count.symbol];
  }
};

} // namespace vinci
