// What a plan says of ranks: the mesh, the pieces and shards of weights, collectives.
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "runtime/plan/verify_internal.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace vinci::planverify {
namespace {

/// The number of ranks along `axes`.
uint32_t verifyAxes(const Context &context, const flatbuffers::Vector<uint32_t> *field,
                    const std::string &where) {
  const MeshAxes axes = axesOf(*context.require(field, where, "axes"));
  const uint32_t meshAxes = context.plan.mesh()->size();
  context.requireRange(axes.size(), 1, maxMeshAxes, where, "the number of axes");
  if (std::ranges::adjacent_find(axes, std::greater_equal<>()) != axes.end())
    context.fail(where, "axes [{}] are not ascending", fmt::join(axes, ", "));
  if (axes.back() >= meshAxes)
    context.fail(where, "names axis {}, the mesh has {}", axes.back(), meshAxes);
  return Mesh(context.plan).ranksAlong(axes);
}

void verifyShard(const Context &context, const fb::Shard *shard, const fb::WeightPiece *piece,
                 const fb::Weight *weight, const std::string &where) {
  const uint32_t ranks = verifyAxes(context, shard->axes(), where);
  if (shard->parts() == 0 || ranks % shard->parts() != 0)
    context.fail(where, "parts is {}, legal are the divisors of the {} ranks along its axes",
                 shard->parts(), ranks);
  if (shard->kind() == fb::ShardKind::Columns && piece->shape()->size() != 2)
    context.fail(where, "cuts columns, the piece has none: its rank is {}", piece->shape()->size());
  if (shard->kind() == fb::ShardKind::Stack && weight->count() == 0)
    context.fail(where, "cuts a stack, but the weight is none: its count is 0");
}

/// The shape that a rank holds of a piece.
std::vector<uint64_t> verifyPiece(const Context &context, const fb::WeightPiece *piece,
                                  const fb::Weight *weight, const std::string &where) {
  std::string_view source = context.requireName(piece->source(), where, "source");
  size_t placeholder = source.find("{}");
  bool once = placeholder != std::string_view::npos &&
              source.find("{}", placeholder + 2) == std::string_view::npos;
  if (weight->count() == 0 ? placeholder != std::string_view::npos : !once)
    context.fail(where, "source {} must hold {{}} {} for count {}", quote(source),
                 weight->count() == 0 ? "nowhere" : "once", weight->count());
  const auto *shape = context.require(piece->shape(), where, "shape");
  context.requireRange(shape->size(), 1, 2, where, "the rank");
  for (uint64_t size : *shape)
    context.requireRange(size, 1, maxInt32, where, "a size of the shape");

  std::vector<uint64_t> held(shape->begin(), shape->end());
  const auto *shards = context.require(piece->shards(), where, "shards");
  unsigned kinds = 0;
  for (uint32_t i = 0; i < shards->size(); ++i) {
    const fb::Shard *shard = shards->Get(i);
    std::string shardWhere = fmt::format("{}, shard {}", where, i);
    context.requireEnum(shard->kind(), shardWhere, "kind");
    if (kinds & 1u << unsigned(shard->kind()))
      context.fail(shardWhere, "is the second of kind {}", fb::EnumNameShardKind(shard->kind()));
    kinds |= 1u << unsigned(shard->kind());
    verifyShard(context, shard, piece, weight, shardWhere);
    if (shard->kind() == fb::ShardKind::Rows)
      held[0] = partSize(held[0], shard->parts());
    if (shard->kind() == fb::ShardKind::Columns)
      held[1] = partSize(held[1], shard->parts());
  }
  return held;
}

/// Plans before 2.1 have no such field.
void verifyEqual(const Context &context, const fb::Weight *weight, const std::string &where) {
  if (!weight->equal() || weight->equal()->size() == 0)
    return;
  context.require(weight->equal(), where, "equal");
  context.requireRange(weight->equal()->size(), 1, maxPiecesPerWeight, where,
                       "the number of equal tensors");
  if (weight->count() != 0 || weight->pieces()->size() != 1 ||
      weight->pieces()->Get(0)->shards()->size() != 0)
    context.fail(where, "names equal tensors, but is not one whole tensor itself");
  for (uint32_t i = 0; i < weight->equal()->size(); ++i) {
    std::string tensor = fmt::format("{}, equal tensor {}", where, i);
    std::string_view name = context.requireName(weight->equal()->Get(i), tensor, "name");
    if (name == weight->pieces()->Get(0)->source()->string_view())
      context.fail(tensor, "is {}, the weight itself", quote(name));
  }
}

/// Shares of the tokens make the tokens, and nothing else has a `whole`.
void verifyWhole(const Context &context, const fb::Collective &collective, uint32_t ranks,
                 const std::string &where) {
  const fb::Dim *whole = collective.whole();
  const bool shares = collective.count()->symbol() == fb::Symbol::TokenShares &&
                      collective.kind() != fb::CollectiveKind::AllReduce;
  if (whole)
    context.requireEnum(whole->symbol(), where, "the symbol of whole");
  if (shares != (whole != nullptr))
    context.fail(where,
                 "{} whole; gathers and scatters of shares of the tokens have one, and only "
                 "they",
                 whole ? "has a" : "has no");
  if (!whole)
    return;
  if (whole->symbol() != fb::Symbol::Tokens || whole->scale() != collective.count()->scale())
    context.fail(where, "whole is {} times {}; the shares make {} times Tokens", whole->scale(),
                 fb::EnumNameSymbol(whole->symbol()), collective.count()->scale());
  const uint32_t parts = context.plan.limits()->token_shares();
  if (ranks != parts)
    context.fail(where, "is of {} ranks, the tokens are divided into {} shares", ranks, parts);
}

} // namespace

void verifyMesh(const Context &context) {
  const auto *mesh = context.require(context.plan.mesh(), "plan", "mesh");
  context.requireRange(mesh->size(), 0, maxMeshAxes, "mesh", "the number of axes");
  uint64_t ranks = 1;
  for (uint32_t size : *mesh) {
    context.requireRange(size, 1, maxRanks, "mesh", "the size of an axis");
    ranks *= size;
    context.requireRange(ranks, 1, maxRanks, "mesh", "the number of ranks");
  }
  if (context.plan.data_axes() && context.plan.data_axes()->size() > 0)
    verifyAxes(context, context.plan.data_axes(), "data_axes");
}

void verifyPieces(const Context &context, const fb::Weight *weight, const std::string &where) {
  const auto *pieces = context.require(weight->pieces(), where, "pieces");
  context.requireRange(pieces->size(), 1, maxPiecesPerWeight, where, "the number of pieces");
  std::vector<uint64_t> held;
  for (uint32_t i = 0; i < pieces->size(); ++i) {
    std::string pieceWhere = fmt::format("{}, piece {}", where, i);
    std::vector<uint64_t> shape = verifyPiece(context, pieces->Get(i), weight, pieceWhere);
    if (held.empty()) {
      held = shape;
      continue;
    }
    if (shape.size() != held.size() ||
        !std::equal(shape.begin() + 1, shape.end(), held.begin() + 1))
      context.fail(pieceWhere, "a rank holds [{}] of it, other columns than of piece 0, [{}]",
                   fmt::join(shape, ", "), fmt::join(held, ", "));
    held[0] += shape[0];
  }
  const std::span<const uint64_t> shape(weight->shape()->data(), weight->shape()->size());
  if (!std::ranges::equal(shape, held))
    context.fail(where, "shape is [{}], its pieces and shards make [{}]", fmt::join(shape, ", "),
                 fmt::join(held, ", "));
  verifyEqual(context, weight, where);
}

void verifyCollective(const Context &context, const fb::Kernel *kernel, const std::string &where) {
  const fb::Collective *collective = kernel->collective();
  context.requireEnum(collective->kind(), where, "the kind of collective");
  const uint32_t ranks = verifyAxes(context, collective->axes(), where);
  std::string_view op = collectiveName(collective->kind());
  const std::string_view named = kernel->op()->string_view();
  const bool product = computesFirst(*kernel) && named == "matmul_all_reduce";
  if (named != op && !(product && collective->kind() == fb::CollectiveKind::AllReduce))
    context.fail(where, "op is {}, its collective is {}", quote(named), op);
  if ((kernel->operands() != 2 && !product) || kernel->outputs() != 1)
    context.fail(where, "has {} operands, {} of them outputs; {} has 2, of them 1",
                 kernel->operands(), kernel->outputs(), op);
  context.requireEnum(collective->dtype(), where, "dtype");
  if (collective->kind() != fb::CollectiveKind::AllGather && collective->dtype() == fb::DType::Int8)
    context.fail(where, "sums int8; legal are float32, bfloat16, float16 and int32");
  const fb::Dim *count = context.require(collective->count(), where, "count");
  context.requireEnum(count->symbol(), where, "the symbol of count");
  if (count->scale() == 0)
    context.fail(where, "count has scale 0");
  verifyWhole(context, *collective, ranks, where);
  std::optional<uint64_t> bytes =
      checkedMul(count->scale(), byteSize(toDType(collective->dtype())) * ranks);
  if (!bytes || !checkedMul(*bytes, symbolLimit(*context.plan.limits(), count->symbol())))
    context.fail(where, "count is larger than any memory");
}

} // namespace vinci::planverify
