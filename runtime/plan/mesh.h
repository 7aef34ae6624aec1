// The ranks of a plan, laid out along the axes of Plan.mesh.
#pragma once

#include "runtime/plan/plan_generated.h"

#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

/// Axes of a mesh: indices, ascending.
using MeshAxes = std::span<const uint32_t>;

inline MeshAxes axesOf(const flatbuffers::Vector<uint32_t> &axes) {
  return {axes.data(), axes.size()};
}

/// Ranks are numbered row-major: the last axis runs fastest. Of a verified plan; no axes: one rank.
class Mesh {
public:
  explicit Mesh(const fb::Plan &plan) : sizes_(plan.mesh()->begin(), plan.mesh()->end()) {}
  explicit Mesh(std::vector<uint32_t> sizes) : sizes_(std::move(sizes)) {}

  std::span<const uint32_t> sizes() const { return sizes_; }
  uint32_t ranks() const;
  /// How many ranks there are that differ in `axes` alone.
  uint32_t ranksAlong(MeshAxes axes) const;
  /// The place of `rank` among those that differ from it in `axes` alone, row-major.
  uint32_t placeAlong(MeshAxes axes, uint32_t rank) const;
  /// The first of those ranks, which names them all.
  uint32_t firstAlong(MeshAxes axes, uint32_t rank) const;

private:
  /// How far two neighbours along `axis` are apart.
  uint32_t stride(uint32_t axis) const;
  uint32_t coordinate(uint32_t axis, uint32_t rank) const {
    return rank / stride(axis) % sizes_[axis];
  }

  std::vector<uint32_t> sizes_;
};

/// Ranks that something is done for, `count` of them from `first` on. 0: all.
struct RankRange {
  uint32_t first = 0, count = 0;

  /// The same, of a plan of `ranks`.
  RankRange of(uint32_t ranks) const { return count ? *this : RankRange{0, ranks}; }
  bool holds(uint32_t rank) const { return rank >= first && rank - first < count; }
};

/// Along which ranks have tokens of their own; none before plans of version 2.2.
inline MeshAxes dataAxesOf(const fb::Plan &plan) {
  return plan.data_axes() ? axesOf(*plan.data_axes()) : MeshAxes();
}

/// Groups of ranks that have the same tokens.
inline uint32_t dataGroupsOf(const fb::Plan &plan) {
  return Mesh(plan).ranksAlong(dataAxesOf(plan));
}

/// A part of something that is cut into equal parts.
struct PartRange {
  uint64_t first = 0;
  uint64_t count = 0; ///< of what is there: the last parts may be short, or empty
  uint64_t size = 0;  ///< of every part, padding included
};

/// ceil(size / parts): how large each of `parts` equal parts is.
constexpr uint64_t partSize(uint64_t size, uint64_t parts) {
  return (size + parts - 1) / parts;
}

/// Which of the parts that `shard` cuts is the rank's.
uint32_t partNumber(const fb::Shard &shard, const Mesh &mesh, uint32_t rank);

/// What of `size` the rank holds by `shard`, which cuts it.
PartRange partOf(const fb::Shard &shard, const Mesh &mesh, uint32_t rank, uint64_t size);

} // namespace vinci
