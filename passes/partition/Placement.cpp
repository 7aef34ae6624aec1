#include "passes/partition/Placement.h"

#include "ir/llm/Pieces.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace vinci {

using llm::ShardAttr, llm::ShardKind;

//===- Degrees --------------------------------------------------------------------------------===//

namespace {

/// A size of the model that is divided among the ranks.
struct Divided {
  StringRef name;
  int64_t size;
  Location loc;
  bool replicates = false; ///< fewer than ranks are held by several ranks each

  bool takes(int64_t degree) const {
    return size % degree == 0 || (replicates && degree % size == 0);
  }
};

} // namespace

static LogicalResult check(StringRef degreeName, int64_t degree, ArrayRef<Divided> sizes) {
  auto takes = [&](int64_t d) {
    return llvm::all_of(sizes, [&](const Divided &divided) { return divided.takes(d); });
  };
  const Divided *problem =
      llvm::find_if_not(sizes, [&](const Divided &d) { return d.takes(degree); });
  if (problem == sizes.end())
    return success();
  std::string legal;
  int64_t most = 1;
  for (const Divided &divided : sizes)
    most = std::max(most, divided.size);
  for (int64_t d = 1; d <= most; ++d)
    if (takes(d))
      legal += (legal.empty() ? "" : ", ") + std::to_string(d);
  return emitError(problem->loc) << problem->name << " " << problem->size
                                 << " cannot be divided among the " << degree << " ranks of "
                                 << degreeName << "; legal for this model: " << legal;
}

LogicalResult checkDegrees(llm::BodyOp body, const ParallelDegrees &degrees) {
  SmallVector<Divided> attention, width, experts;
  for (auto op : body.getBlock().getOps<llm::AttentionOp>()) {
    attention.push_back(
        {"num_attention_heads", op.getQuery().getType().getDimSize(1), op.getLoc()});
    Operation *cache = op.getCache().getDefiningOp();
    attention.push_back({"num_key_value_heads", op.getCache().getType().getHeads(),
                         cache ? cache->getLoc() : op.getLoc(), /*replicates=*/true});
  }
  for (auto weight : body.getBlock().getOps<llm::WeightOp>()) {
    if (weight.getSymName() != "gate_proj")
      continue;
    ArrayRef<int64_t> shape = weight.getResult().getType().getShape();
    // The line of the config that asks for what it is used in.
    Operation *user = weight->use_empty() ? weight : *weight->user_begin();
    if (!weight.getStack()) {
      attention.push_back({"intermediate_size", shape[0], user->getLoc()});
      continue;
    }
    experts.push_back({"num_experts", shape[0], user->getLoc()});
    width.push_back({"moe_intermediate_size", shape[1], user->getLoc()});
  }
  return failure(failed(check("attn_tp", degrees.attentionTp, attention)) ||
                 failed(check("expert parallelism", degrees.world / degrees.moeTp, experts)) ||
                 failed(check("moe_tp", degrees.moeTp, width)));
}

//===- Weights --------------------------------------------------------------------------------===//

namespace {

enum class Role {
  Whole,
  Column, ///< divided by rows: what it computes is sharded
  Row,    ///< divided by columns: what it computes is a partial sum
};

struct Place {
  Role role = Role::Whole;
  Axes axes;
};

int64_t sizeOf(const ParallelAxes &axes, const Axes &group) {
  int64_t size = 1;
  for (int64_t axis : group)
    size *= axes.mesh[axis];
  return size;
}

Place placeOf(StringRef projection, bool stacked, const ParallelAxes &axes) {
  const Axes &mlp = stacked ? axes.expertWidth : axes.attention;
  return llvm::StringSwitch<Place>(projection)
      .Cases("q_proj", "k_proj", "v_proj", Place{Role::Column, axes.attention})
      .Case("o_proj", Place{Role::Row, axes.attention})
      .Cases("gate_proj", "up_proj", Place{Role::Column, mlp})
      .Case("down_proj", Place{Role::Row, mlp})
      .Case("embed_tokens", Place{Role::Column, axes.embedding})
      .Case("lm_head", Place{Role::Column, axes.lmHead})
      .Default(Place());
}

/// How the part `suffix` of a projection ("" is the matrix, "bias" its bias) is cut; nullopt if
/// each rank holds all of it.
std::optional<ShardKind> shardOf(Role role, StringRef suffix) {
  const bool perRow = llvm::is_contained<StringRef>(
      {"", "bias", "quant_bias", "deq_scale", "weight_scale"}, suffix);
  if (role == Role::Column && perRow)
    return ShardKind::Rows;
  if (role == Role::Row && suffix.empty())
    return ShardKind::Columns;
  if (role == Role::Row && (suffix == "bias" || suffix == "quant_bias"))
    return ShardKind::FirstOnly;
  return std::nullopt;
}

} // namespace

Sharding placeWeight(llm::WeightOp weight, const ParallelAxes &axes, int64_t kvHeads) {
  MLIRContext *context = weight.getContext();
  auto [projection, suffix] = weight.getSymName().split('.');
  const bool stacked = weight.getStack().has_value();
  const Place place = placeOf(projection, stacked, axes);

  RankedTensorType type = weight.getResult().getType();
  Sharding sharding;
  sharding.dims.resize(type.getRank());
  SmallVector<ShardAttr> shards;
  auto shard = [&](ShardKind kind, int64_t dim, const Axes &over, int64_t parts) {
    if (over.empty())
      return;
    shards.push_back(ShardAttr::get(context, kind, kind == ShardKind::FirstOnly ? 1 : parts, over));
    if (kind != ShardKind::FirstOnly)
      sharding.dims[dim] = {over, parts};
  };
  int64_t parts = sizeOf(axes, place.axes);
  if (projection == "k_proj" || projection == "v_proj")
    parts = std::min(parts, kvHeads);
  if (std::optional<ShardKind> kind = shardOf(place.role, suffix))
    shard(*kind, (stacked ? 1 : 0) + (*kind == ShardKind::Columns ? 1 : 0), place.axes, parts);
  if (stacked)
    shard(ShardKind::Stack, 0, axes.experts, sizeOf(axes, axes.experts));
  if (shards.empty())
    return sharding;

  SmallVector<Attribute> pieces;
  for (llm::PieceAttr piece : weight.getPieceList())
    pieces.push_back(llm::PieceAttr::get(context, piece.getSource(),
                                         llm::checkpointShape(piece, type, stacked), shards));
  weight.setPiecesAttr(ArrayAttr::get(context, pieces));
  SmallVector<int64_t> shape(type.getShape());
  for (auto [size, dim] : llvm::zip(shape, sharding.dims))
    size = (size + dim.parts - 1) / dim.parts;
  if (stacked)
    weight.setStack(shape[0]);
  weight.getResult().setType(RankedTensorType::get(shape, type.getElementType()));
  return sharding;
}

Sharding placeKvCache(llm::KvCacheOp cache, const ParallelAxes &axes) {
  llm::KvCacheType type = cache.getResult().getType();
  const int64_t parts = std::min(sizeOf(axes, axes.attention), type.getHeads());
  cache.getResult().setType(llm::KvCacheType::get(type.getContext(), type.getHeads() / parts,
                                                  type.getHeadDim(), type.getElementType()));
  Sharding sharding;
  sharding.dims.push_back({axes.attention, parts});
  return sharding;
}

} // namespace vinci
