#include "runtime/exec/rank_groups.h"

namespace vinci {

RankGroups::RankGroups(const fb::Plan &plan) : plan_(plan), mesh_(plan) {}

std::vector<GroupPlace> RankGroups::placesOf(uint32_t rank) {
  std::vector<GroupPlace> places;
  for (const fb::Kernel *kernel : *plan_.kernels()) {
    places.emplace_back();
    if (!kernel->collective())
      continue;
    const MeshAxes axes = axesOf(*kernel->collective()->axes());
    auto [found, isNew] = groups_.try_emplace(
        {{axes.begin(), axes.end()}, mesh_.firstAlong(axes, rank)}, mesh_.ranksAlong(axes));
    places.back() = {&found->second, mesh_.placeAlong(axes, rank)};
  }
  return places;
}

} // namespace vinci
