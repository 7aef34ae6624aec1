// What ranks hold of a checkpoint, in every packing, type and layout of files: each element of each
// rank's packed weight is what the definition in plan.fbs says, and all ranks together have all.
#include "runtime/weights/shards.h"

#include "runtime/support/half.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/stack.h"
#include "tests/unit/plan/sample_plan.h"
#include "tests/unit/weights/temporary_folder.h"

#include <fmt/ranges.h>
#include <map>
#include <set>

namespace vinci {
namespace {

using fb::Packing;
using fb::ShardKind;
using sample::shard;
using Shape = std::vector<uint64_t>;

const std::vector<uint32_t> meshSizes = {2, 3};
constexpr uint32_t ranks = 6;

struct Shards {
  ShardKind kind;
  std::vector<uint32_t> axes;
  uint32_t parts;
};

/// Element (row, column) of a tensor of the checkpoint: an integer that every type can hold, and
/// never 0.
float valueOf(const std::string &tensor, uint64_t row, uint64_t column) {
  uint64_t hash = 7;
  for (char c : tensor)
    hash = hash * 31 + uint64_t(c);
  const uint64_t value = (hash + row * 37 + column * 11 + row * column % 13) % 120;
  return float(value) - (value >= 60 ? 59 : 61);
}

/// The place of `rank` on the axes, from the definition.
uint32_t placeOf(uint32_t rank, const std::vector<uint32_t> &axes) {
  const uint32_t coordinates[] = {rank / 3, rank % 3};
  uint32_t place = 0;
  for (uint32_t axis : axes)
    place = place * meshSizes[axis] + coordinates[axis];
  return place;
}

uint32_t partNumber(uint32_t rank, const fb::ShardT &shard) {
  uint32_t n = 1;
  for (uint32_t axis : shard.axes)
    n *= meshSizes[axis];
  return placeOf(rank, shard.axes) / (n / shard.parts);
}

float elementOf(const std::byte *packed, Packing packing, DType dtype, uint64_t rows,
                uint64_t columns, uint64_t tensor, uint64_t n, uint64_t k) {
  const Shape shape = {rows, columns};
  packed += tensor * *packedBytes(shape, dtype, packing);
  const uint64_t kp = roundUp(columns, panelDepth(dtype));
  uint64_t index = n * columns + k;
  if (packing == Packing::Panel32 && byteSize(dtype) == 4)
    index = n / 32 * kp * 32 + k * 32 + n % 32;
  else if (packing == Packing::Panel32 && byteSize(dtype) == 2)
    index =
        n / 32 * kp * 32 + k / 32 * 1024 + n % 32 / 16 * 512 + k % 32 / 2 * 32 + n % 16 * 2 + k % 2;
  else if (packing == Packing::Panel32)
    index = n / 32 * kp * 32 + k / 64 * 2048 + n % 32 / 16 * 1024 + k % 64 / 4 * 64 + n % 16 * 4 +
            k % 4;
  switch (dtype) {
  case DType::Float32:
    return reinterpret_cast<const float *>(packed)[index];
  case DType::BFloat16:
    return floatOfBFloat16(reinterpret_cast<const uint16_t *>(packed)[index]);
  case DType::Float16:
    return floatOfFloat16(reinterpret_cast<const uint16_t *>(packed)[index]);
  case DType::Int32:
    return float(reinterpret_cast<const int32_t *>(packed)[index]);
  case DType::Int8:
    return float(reinterpret_cast<const int8_t *>(packed)[index]);
  }
  return NAN;
}

class ShardedWeights : public TemporaryFolder {
protected:
  /// Adds a weight; its pieces are added by `add` and cut by `cut`.
  fb::WeightT &weight(uint32_t count = 0) {
    tables.weights.push_back(std::make_unique<fb::WeightT>());
    tables.weights.back()->count = count;
    return *tables.weights.back();
  }
  void piece(fb::WeightT &weight, std::string source, Shape shape, std::vector<Shards> cuts) {
    auto piece = std::make_unique<fb::WeightPieceT>();
    piece->source = std::move(source);
    piece->shape = shape;
    for (const Shards &cut : cuts) {
      if (cut.kind == ShardKind::Rows)
        shape[0] = partSize(shape[0], cut.parts);
      if (cut.kind == ShardKind::Columns)
        shape[1] = partSize(shape[1], cut.parts);
      piece->shards.push_back(shard(cut.kind, cut.axes, cut.parts));
    }
    if (weight.shape.empty())
      weight.shape = shape;
    else
      weight.shape[0] += shape[0];
    weight.pieces.push_back(std::move(piece));
  }

  void buildPlan(DType dtype, Packing packing) {
    tables.mesh = meshSizes;
    tables.model = std::make_unique<fb::ModelT>();
    tables.model->num_key_value_heads = 3;
    for (auto &weight : tables.weights) {
      weight->dtype = toPlanDType(dtype);
      weight->packing = weight->shape.size() == 2 ? packing : Packing::Rows;
      weight->bytes = *packedBytes(weight->shape, dtype, weight->packing, weight->count);
    }
    builder.Clear();
    fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &tables));
  }
  const fb::Plan &plan() const { return *fb::GetPlan(builder.GetBufferPointer()); }

  /// Compares what `rank` packs of weight `index` with the definition, and notes what it holds.
  void expectHeld(uint32_t index, uint32_t rank, const WeightSources &sources) {
    const fb::Weight &weight = *plan().weights()->Get(index);
    const fb::WeightT &table = *tables.weights[index];
    const DType dtype = toDType(weight.dtype());
    const uint64_t columns = table.shape.size() == 2 ? table.shape[1] : 1;
    const uint64_t bytes = weight.bytes() / stackCount(weight);
    std::vector<std::byte> packed(weight.bytes(), std::byte(0x55));
    const Mesh mesh(plan());
    for (uint32_t tensor = 0; tensor < stackCount(weight); ++tensor) {
      std::vector<PackedRows> rows;
      for (const HeldPiece &held : heldPieces(weight, tensor, sources, mesh, rank))
        rows.push_back(held.rows);
      for (const CastLoss &loss :
           packTensor(rows, columns, packed.data() + tensor * bytes, dtype, weight.packing()))
        EXPECT_EQ(loss, CastLoss());
      uint64_t before = 0;
      for (const auto &piece : table.pieces) {
        uint64_t number = tensor, firstRow = 0, firstColumn = 0, size = piece->shape[0];
        bool zero = false;
        for (const auto &cut : piece->shards) {
          if (cut->kind == ShardKind::Rows) {
            size = partSize(piece->shape[0], cut->parts);
            firstRow = partNumber(rank, *cut) * size;
          }
          if (cut->kind == ShardKind::Columns)
            firstColumn = partNumber(rank, *cut) * columns;
          if (cut->kind == ShardKind::Stack)
            number += partNumber(rank, *cut) * table.count;
          zero |= cut->kind == ShardKind::FirstOnly && placeOf(rank, cut->axes) != 0;
        }
        const std::string name = stackSource(piece->source, number);
        for (uint64_t row = 0; row < size; ++row)
          for (uint64_t column = 0; column < columns; ++column) {
            const uint64_t r = firstRow + row, c = firstColumn + column;
            const bool there = !zero && r < piece->shape[0] &&
                               c < (piece->shape.size() == 2 ? piece->shape[1] : 1);
            ASSERT_EQ(elementOf(packed.data(), weight.packing(), dtype, table.shape[0], columns,
                                tensor, before + row, column),
                      there ? valueOf(name, r, c) : 0)
                << name << " " << r << " " << c << ", rank " << rank << ", " << toString(dtype)
                << ", weight " << index;
            if (there)
              held_[name].insert({r, c});
          }
        before += size;
      }
    }
  }

  /// Packs all weights of all ranks from the checkpoint in `folder`.
  void expectAll() {
    const Checkpoint checkpoint = Checkpoint::open(folder);
    const std::vector<RequiredTensor> required = requiredTensors(plan());
    const WeightSources sources =
        checkWeights(required, plan().model()->num_key_value_heads(), checkpoint);
    held_.clear();
    for (uint32_t index = 0; index < tables.weights.size(); ++index)
      for (uint32_t rank = 0; rank < ranks; ++rank)
        expectHeld(index, rank, sources);
    for (const RequiredTensor &tensor : required)
      EXPECT_EQ(held_[tensor.name].size(), *elementCount(tensor.shape)) << tensor.name;
  }

  /// A tensor of the file made of elements of required ones.
  template <typename Value>
  TestTensor tensor(const std::string &name, DType dtype, Shape shape, Value value) const {
    TestTensor tensor{name,
                      dtype == DType::Int8    ? "I8"
                      : dtype == DType::Int32 ? "I32"
                                              : "F32",
                      shape, ""};
    uint64_t columns = 1;
    for (size_t i = 1; i < shape.size(); ++i)
      columns *= shape[i];
    for (uint64_t row = 0; row < shape[0]; ++row)
      for (uint64_t column = 0; column < columns; ++column) {
        const float element = value(row, column);
        if (dtype == DType::Int8)
          tensor.data += char(int8_t(element));
        else if (dtype == DType::Int32) {
          const auto integer = int32_t(element);
          tensor.data.append(reinterpret_cast<const char *>(&integer), sizeof integer);
        } else
          tensor.data += bytesOf(std::span(&element, 1));
      }
    return tensor;
  }
  void writeHuggingFace(DType dtype) {
    std::vector<TestTensor> tensors;
    for (const RequiredTensor &required : requiredTensors(plan()))
      tensors.push_back(
          tensor(required.name, dtype, required.shape, [&](uint64_t row, uint64_t column) {
            return valueOf(required.name, row, column);
          }));
    write("model.safetensors", safetensors(tensors));
  }

  fb::PlanT tables;

private:
  flatbuffers::FlatBufferBuilder builder;
  std::map<std::string, std::set<std::pair<uint64_t, uint64_t>>> held_;
};

class ShardedTypes : public ShardedWeights,
                     public testing::WithParamInterface<std::pair<DType, Packing>> {};

TEST_P(ShardedTypes, RanksTogetherHoldAll) {
  const auto [dtype, packing] = GetParam();
  piece(weight(), "whole", {35, 70}, {});
  piece(weight(), "rows", {50, 70}, {{ShardKind::Rows, {0}, 2}});
  piece(weight(), "rows.short", {100, 300}, {{ShardKind::Rows, {1}, 3}});
  piece(weight(), "vocabulary", {7, 33}, {{ShardKind::Rows, {0, 1}, 6}}); // 2 2 2 1 0 0
  piece(weight(), "columns", {33, 50}, {{ShardKind::Columns, {1}, 3}});
  piece(weight(), "columns.empty", {33, 4}, {{ShardKind::Columns, {1}, 3}}); // 2 2 0
  piece(weight(), "columns.long", {70, 1200}, {{ShardKind::Columns, {0}, 2}});
  piece(weight(), "both", {50, 50}, {{ShardKind::Rows, {0}, 2}, {ShardKind::Columns, {1}, 3}});
  piece(weight(), "kv", {48, 40}, {{ShardKind::Rows, {0, 1}, 3}});
  piece(weight(), "kv.one", {48, 40}, {{ShardKind::Rows, {1}, 1}});
  piece(weight(2), "stack.{}", {10, 40}, {{ShardKind::Stack, {1}, 3}});
  piece(weight(3), "stack.rows.{}", {33, 40},
        {{ShardKind::Stack, {0}, 2}, {ShardKind::Rows, {1}, 3}});
  piece(weight(1), "stack.columns.{}", {33, 40},
        {{ShardKind::Columns, {0}, 2}, {ShardKind::Stack, {1}, 3}});
  piece(weight(4), "stack.whole.{}", {3, 40}, {});
  piece(weight(), "bias", {40}, {{ShardKind::Rows, {1}, 3}});
  piece(weight(), "bias.once", {40}, {{ShardKind::FirstOnly, {1}, 3}});
  piece(weight(), "matrix.once", {40, 33},
        {{ShardKind::FirstOnly, {0}, 2}, {ShardKind::Rows, {1}, 3}});
  fb::WeightT &qkv = weight();
  piece(qkv, "q", {66, 64}, {{ShardKind::Rows, {0, 1}, 6}});
  piece(qkv, "k", {9, 64}, {{ShardKind::Rows, {0, 1}, 3}});
  piece(qkv, "v", {9, 64}, {{ShardKind::Rows, {0, 1}, 3}});
  fb::WeightT &uneven = weight();
  piece(uneven, "u.0", {50, 300}, {{ShardKind::Rows, {1}, 3}, {ShardKind::Columns, {0}, 2}});
  piece(uneven, "u.1", {40, 150}, {{ShardKind::FirstOnly, {0}, 2}});
  piece(uneven, "u.2", {1, 300}, {{ShardKind::Columns, {0}, 2}});
  fb::WeightT &experts = weight(2);
  piece(experts, "e.{}.gate", {20, 40}, {{ShardKind::Stack, {1}, 3}, {ShardKind::Rows, {0}, 2}});
  piece(experts, "e.{}.up", {20, 40}, {{ShardKind::Stack, {1}, 3}, {ShardKind::Rows, {0}, 2}});
  buildPlan(dtype, packing);
  writeHuggingFace(dtype);
  expectAll();
}

INSTANTIATE_TEST_SUITE_P(All, ShardedTypes,
                         testing::Values(std::pair(DType::Float32, Packing::Panel32),
                                         std::pair(DType::BFloat16, Packing::Panel32),
                                         std::pair(DType::Float16, Packing::Panel32),
                                         std::pair(DType::Int8, Packing::Panel32),
                                         std::pair(DType::Float32, Packing::Rows),
                                         std::pair(DType::BFloat16, Packing::Rows),
                                         std::pair(DType::Float16, Packing::Rows),
                                         std::pair(DType::Int8, Packing::Rows),
                                         std::pair(DType::Int32, Packing::Rows)),
                         [](const auto &info) {
                           return fmt::format("{}{}", toString(info.param.first),
                                              fb::EnumNamePacking(info.param.second));
                         });

// MindFormers' joined tensors: rows per KV head (3 of them), alternating rows, transposed stacks.
TEST_F(ShardedWeights, PartsOfJoinedTensors) {
  const std::string layer = "model.layers.0.", attention = layer + "self_attn.",
                    mlp = layer + "mlp.";
  const uint64_t q = 24, kv = 6, columns = 50, ffn = 27;
  fb::WeightT &joined = weight();
  piece(joined, attention + "q_proj.weight", {q, columns}, {{ShardKind::Rows, {0, 1}, 6}});
  piece(joined, attention + "k_proj.weight", {kv, columns}, {{ShardKind::Rows, {0, 1}, 3}});
  piece(joined, attention + "v_proj.weight", {kv, columns}, {{ShardKind::Rows, {1}, 1}});
  fb::WeightT &bias = weight();
  for (auto [name, size] : {std::pair("q_proj.bias", q), {"k_proj.bias", kv}, {"v_proj.bias", kv}})
    piece(bias, attention + name, {size}, {{ShardKind::Rows, {1}, 3}});
  piece(weight(), mlp + "gate_proj.weight", {ffn, columns},
        {{ShardKind::Rows, {0}, 2}, {ShardKind::Columns, {1}, 3}});
  piece(weight(), mlp + "up_proj.weight", {ffn, columns}, {{ShardKind::Rows, {0, 1}, 6}});
  fb::WeightT &experts = weight(2);
  piece(experts, mlp + "experts.{}.gate_proj.weight", {9, columns},
        {{ShardKind::Stack, {1}, 3}, {ShardKind::Rows, {0}, 2}});
  piece(experts, mlp + "experts.{}.up_proj.weight", {9, columns},
        {{ShardKind::Stack, {1}, 3}, {ShardKind::Rows, {0}, 2}});
  piece(weight(3), mlp + "experts.{}.down_proj.weight", {columns, 9},
        {{ShardKind::Stack, {0}, 2}, {ShardKind::Columns, {1}, 3}});

  auto name = [&](const std::string &part) { return mlp + part; };
  auto qkv = [&](const std::string &kind) {
    return [=](uint64_t row, uint64_t column) {
      const uint64_t period = (q + 2 * kv) / 3, head = row / period, at = row % period;
      const uint64_t ofQ = q / 3, ofKv = kv / 3;
      if (at < ofQ)
        return valueOf(attention + "q_proj." + kind, head * ofQ + at, column);
      const bool isK = at < ofQ + ofKv;
      return valueOf(attention + (isK ? "k_proj." : "v_proj.") + kind,
                     head * ofKv + at - ofQ - (isK ? 0 : ofKv), column);
    };
  };
  const std::string file = "model.layers.0.", forward = file + "feed_forward.";
  constexpr auto f32 = DType::Float32;
  const std::vector<TestTensor> tensors = {
      tensor(file + "attention.w_qkv.weight", f32, {q + 2 * kv, columns}, qkv("weight")),
      tensor(file + "attention.w_qkv.bias", f32, {q + 2 * kv}, qkv("bias")),
      tensor(forward + "w_gate_hidden.weight", f32, {2 * ffn, columns},
             [&](uint64_t row, uint64_t column) {
               return valueOf(name(row % 2 ? "up_proj.weight" : "gate_proj.weight"), row / 2,
                              column);
             }),
      tensor(forward + "routed_experts.ffn.w_gate_hidden.weight", f32, {6, columns, 18},
             [&](uint64_t expert, uint64_t at) {
               const uint64_t column = at / 18, row = at % 18;
               return valueOf(
                   name(fmt::format("experts.{}.{}_proj.weight", expert, row < 9 ? "gate" : "up")),
                   row % 9, column);
             }),
      tensor(forward + "routed_experts.ffn.w2.weight", f32, {6, 9, columns},
             [&](uint64_t expert, uint64_t at) {
               return valueOf(name(fmt::format("experts.{}.down_proj.weight", expert)),
                              at % columns, at / columns);
             }),
  };
  write("model.safetensors", safetensors(tensors));
  for (auto [dtype, packing] :
       {std::pair(DType::BFloat16, Packing::Panel32), {DType::Float32, Packing::Rows}}) {
    buildPlan(dtype, packing);
    expectAll();
  }
}

} // namespace
} // namespace vinci
