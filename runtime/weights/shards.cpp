#include "runtime/weights/shards.h"

#include "runtime/weights/stack.h"

namespace vinci {
namespace {

const fb::Shard *findShard(const fb::WeightPiece &piece, fb::ShardKind kind) {
  for (const fb::Shard *shard : *piece.shards())
    if (shard->kind() == kind)
      return shard;
  return nullptr;
}

} // namespace

uint64_t tensorCount(const fb::Weight &weight, const fb::WeightPiece &piece) {
  const fb::Shard *shard = findShard(piece, fb::ShardKind::Stack);
  return uint64_t(stackCount(weight)) * (shard ? shard->parts() : 1);
}

std::vector<HeldPiece> heldPieces(const fb::Weight &weight, uint32_t index,
                                  const WeightSources &sources, const Mesh &mesh, uint32_t rank) {
  std::vector<HeldPiece> held;
  for (const fb::WeightPiece *piece : *weight.pieces()) {
    uint64_t tensor = index;
    if (const fb::Shard *shard = findShard(*piece, fb::ShardKind::Stack))
      tensor += partOf(*shard, mesh, rank, tensorCount(weight, *piece)).first;
    HeldPiece part;
    part.name = stackSource(piece->source()->string_view(), tensor);
    part.source = &sources.find(part.name)->second;
    part.rows = {part.source->slice, part.source->slice.rows};
    if (const fb::Shard *shard = findShard(*piece, fb::ShardKind::Rows)) {
      const PartRange range = partOf(*shard, mesh, rank, part.rows.rows);
      part.rows = {part.rows.slice.rowRange(range.first, range.count), range.size};
    }
    if (const fb::Shard *shard = findShard(*piece, fb::ShardKind::Columns)) {
      const PartRange range = partOf(*shard, mesh, rank, part.rows.slice.columns);
      part.rows.slice = part.rows.slice.columnRange(range.first, range.count);
    }
    if (const fb::Shard *shard = findShard(*piece, fb::ShardKind::FirstOnly))
      if (mesh.placeAlong(axesOf(*shard->axes()), rank) != 0)
        part.rows.slice = part.rows.slice.rowRange(0, 0);
    held.push_back(std::move(part));
  }
  return held;
}

} // namespace vinci
