// What the commands of a plan's entry write, named by what it means, so that tensors of two plans
// of one model can be laid side by side: whatever ranks, fusions or folded bodies the plans have.
#pragma once

#include "runtime/device/command_list.h"
#include "runtime/plan/plan.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace vinci {

/// How the values of all ranks make the tensor.
enum class TensorForm : uint8_t {
  Plain,      ///< whole on every rank, or cut into columns
  PartialSum, ///< the ranks' sum, which a collective makes later, is the tensor
  ByExpert,   ///< rows of the experts that a rank has, as many as chance gives
  OtherOrder, ///< gathered, so that columns lie in another order; a rank's share of the rows; or
              ///< scaled by each rank for itself
};

/// An output of a command, as one rank has it.
struct PlanTensor {
  /// The weight that makes it ("o_proj"), or what is computed from that by ops without weights
  /// ("q_norm.rope", "down_proj.sum"). Data that only moves keeps its name: the result of an
  /// all_reduce is called like the partial sums that it adds. Unique in a step for each layer, but
  /// for those movements; the last one is then the most complete.
  std::string name;
  int32_t layer = -1;   ///< of the command that gave it its name; -1: outside the decoder layers
  std::string op;       ///< "llm.matmul"
  std::string location; ///< "config.json:12:3"; empty where the plan has none
  uint32_t output = 0;  ///< which output of the command
  DType dtype = DType::Float32;
  Extent rows;
  uint64_t columns = 0;     ///< on a rank
  uint64_t firstColumn = 0; ///< where they begin in the output: one made by a concatenated weight
                            ///< is several tensors
  uint64_t rowColumns = 0;  ///< of the whole output, from one row to the next
  TensorForm form = TensorForm::Plain;
  const fb::Shard *shard = nullptr; ///< how the columns are cut; null: not at all

  /// Layer and name: the same in every plan.
  std::string key() const { return fmt::format("{}:{}", layer, name); }
};

/// For each command of all calls of `entry`, in the order of resolveEntry, what it writes into the
/// arena or the output. `plan` has been verified and must outlive the result.
std::vector<std::vector<PlanTensor>> tensorsOf(const fb::Plan &plan, const fb::Entry &entry);

} // namespace vinci
