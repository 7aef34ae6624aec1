#include "runtime/exec/rank_groups.h"

namespace vinci {

RankGroups::RankGroups(const fb::Plan &plan, ProcessGroup *processes, RankRange held)
    : plan_(plan), mesh_(plan), processes_(processes), held_(held) {}

std::unique_ptr<CommunicatorGroup> RankGroups::makeGroup(MeshAxes axes, uint32_t first) const {
  if (!processes_)
    return std::make_unique<CommunicatorGroup>(mesh_.ranksAlong(axes));
  std::vector<uint32_t> processOf;
  for (uint32_t rank = 0; rank < mesh_.ranks(); ++rank)
    if (mesh_.firstAlong(axes, rank) == first)
      processOf.push_back(rank / held_.count);
  return std::make_unique<CommunicatorGroup>(first, std::move(processOf), *processes_);
}

std::vector<GroupPlace> RankGroups::placesOf(uint32_t rank) {
  std::vector<GroupPlace> places;
  for (const fb::Kernel *kernel : *plan_.kernels()) {
    places.emplace_back();
    if (!kernel->collective())
      continue;
    const MeshAxes axes = axesOf(*kernel->collective()->axes());
    const uint32_t first = mesh_.firstAlong(axes, rank);
    std::unique_ptr<CommunicatorGroup> &group = groups_[{{axes.begin(), axes.end()}, first}];
    if (!group)
      group = makeGroup(axes, first);
    places.back() = {group.get(), mesh_.placeAlong(axes, rank)};
  }
  return places;
}

} // namespace vinci
