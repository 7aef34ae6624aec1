#include "runtime/plan/mesh.h"

#include <algorithm>

namespace vinci {

uint32_t Mesh::ranks() const {
  uint32_t ranks = 1;
  for (uint32_t size : sizes_)
    ranks *= size;
  return ranks;
}

uint32_t Mesh::stride(uint32_t axis) const {
  uint32_t stride = 1;
  for (size_t inner = axis + 1; inner < sizes_.size(); ++inner)
    stride *= sizes_[inner];
  return stride;
}

uint32_t Mesh::ranksAlong(MeshAxes axes) const {
  uint32_t ranks = 1;
  for (uint32_t axis : axes)
    ranks *= sizes_[axis];
  return ranks;
}

uint32_t Mesh::placeAlong(MeshAxes axes, uint32_t rank) const {
  uint32_t place = 0;
  for (uint32_t axis : axes)
    place = place * sizes_[axis] + coordinate(axis, rank);
  return place;
}

uint32_t Mesh::firstAlong(MeshAxes axes, uint32_t rank) const {
  uint32_t first = rank;
  for (uint32_t axis : axes)
    first -= coordinate(axis, rank) * stride(axis);
  return first;
}

uint32_t partNumber(const fb::Shard &shard, const Mesh &mesh, uint32_t rank) {
  const MeshAxes axes = axesOf(*shard.axes());
  return mesh.placeAlong(axes, rank) / (mesh.ranksAlong(axes) / shard.parts());
}

PartRange partOf(const fb::Shard &shard, const Mesh &mesh, uint32_t rank, uint64_t size) {
  const uint64_t part = partNumber(shard, mesh, rank);
  PartRange range;
  range.size = partSize(size, shard.parts());
  range.first = std::min(part * range.size, size);
  range.count = std::min(range.size, size - range.first);
  return range;
}

} // namespace vinci
