// Where the ranks of a plan meet: a communicator group for each set of ranks that some collective
// joins.
#pragma once

#include "runtime/device/communicator_group.h"
#include "runtime/plan/mesh.h"

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace vinci {

/// A group and a rank's place in it; no group for what is no collective.
struct GroupPlace {
  CommunicatorGroup *group = nullptr;
  uint32_t rank = 0;
};

class RankGroups {
public:
  /// Of a verified plan, all of whose ranks are in this process; or of which each process of
  /// `processes` has as many as `held` counts, in their order.
  explicit RankGroups(const fb::Plan &plan, ProcessGroup *processes = nullptr, RankRange held = {});

  /// Where `rank` takes part, by kernel of the plan. Collectives along the same axes share groups:
  /// all ranks come to them in one order.
  std::vector<GroupPlace> placesOf(uint32_t rank);

private:
  std::unique_ptr<CommunicatorGroup> makeGroup(MeshAxes axes, uint32_t first) const;

  const fb::Plan &plan_;
  Mesh mesh_;
  ProcessGroup *processes_;
  const RankRange held_;
  /// By axes and the first of the ranks that meet.
  std::map<std::pair<std::vector<uint32_t>, uint32_t>, std::unique_ptr<CommunicatorGroup>> groups_;
};

} // namespace vinci
