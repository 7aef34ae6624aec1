// From an entry of a plan to commands with addresses.
#pragma once

#include "runtime/device/command_list.h"
#include "runtime/exec/rank_groups.h"
#include "runtime/plan/plan.h"

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

namespace vinci {

/// How many experts a MoE layer hits. What sorts the tokens by expert counts, so that nothing else
/// is launched.
struct ExpertCount {
  VinciKernel kernel = nullptr; ///< that sorts
  uint32_t output = 0;          ///< of it: where the rows of each expert begin
  uint32_t experts = 0;         ///< on the rank
  uint32_t hit = 0;             ///< of the last run
};

/// Where everything that operands of one rank can name lies in memory. The vectors are indexed as
/// in the plan.
struct Addresses {
  std::byte *arena = nullptr;
  std::byte *kvCache = nullptr; ///< of layer 0
  size_t kvLayerBytes = 0;      ///< from one layer's cache to the next
  std::vector<void *> weights;
  std::vector<void *> constants;
  std::vector<void *> inputs;
  std::vector<void *> outputs;
  std::vector<VinciKernel> kernels; ///< null: a collective that computes nothing; of a prefetch,
                                    ///< what does nothing
  std::vector<GroupPlace> groups;   ///< of each kernel that is one
  /// Is given a count for each MoE layer; they must stay where they are. Null: nobody counts.
  std::deque<ExpertCount> *expertCounts = nullptr;
};

/// All commands of a rank in all calls of `entry`, one call after another; one that computes before
/// it meets other ranks becomes two, the second of which counts as the command. The plan has been
/// verified (verify.h), so every index is in range.
CommandList resolveEntry(const fb::Plan &plan, const fb::Entry &entry, const Addresses &addresses,
                         const StepDims &dims);

/// The same commands in lists to be run one after another: each attention by itself, and what lies
/// before, between and after them.
std::vector<CommandList> resolvePieces(const fb::Plan &plan, const fb::Entry &entry,
                                       const Addresses &addresses, const StepDims &dims);

} // namespace vinci
