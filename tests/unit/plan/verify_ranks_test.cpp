// What the verifier says of meshes, shards and collectives. Weights: of layer 0, 2 is q, cut by
// rows, 5 is o, cut by columns; the last is a stack, cut as one.
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"
#include "tests/unit/plan/verify_fixture.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

using namespace sample;
using fb::PlanT;
using fb::ShardKind;
using fb::Space;

struct Case {
  const char *name;
  void (*change)(PlanT &);
  const char *message;
};

constexpr uint32_t Reduce = Residual; ///< what stands in its place in a plan of ranks
constexpr auto huge = ~uint64_t(0);

fb::ShardT &shardOf(PlanT &plan, size_t weight) {
  return *plan.weights[weight]->pieces[0]->shards[0];
}
fb::CollectiveT &collective(PlanT &plan) {
  return *plan.kernels[kernelCount]->collective;
}
void setCount(PlanT &plan, fb::Dim count) {
  *collective(plan).count = count;
}
fb::Operand &operand(PlanT &plan, uint32_t i) {
  fb::BodyT &layer = *plan.bodies[Layer];
  return layer.operands[layer.commands[Reduce].operand_first() + i];
}
void setKind(PlanT &plan, fb::CollectiveKind kind) {
  collective(plan).kind = kind;
  plan.kernels[kernelCount]->op = collectiveName(kind);
}
/// Adds an all_reduce of k, which waits for command `wait` alone.
void addReduceOfK(PlanT &plan, uint32_t wait) {
  fb::BodyT &layer = *plan.bodies[Layer];
  const uint32_t kernel = addCollective(plan, fb::CollectiveKind::AllReduce, {0},
                                        fb::DType::BFloat16, {fb::Symbol::Tokens, headDim});
  const auto operands = uint32_t(layer.operands.size()), waits = uint32_t(layer.waits.size());
  layer.operands.insert(layer.operands.end(), {{Space::Arena, K}, {Space::Arena, K}});
  layer.waits.push_back(wait);
  layer.commands.push_back(
      fb::Command(kernel, operands, 2, waits, 1, 0, fb::TileRule(fb::Symbol::One, 1, 1, 1)));
  plan.debug[Layer]->ops.push_back("llm.all_reduce");
  plan.debug[Layer]->locations.push_back("");
}

const Case meshCases[] = {
    {"Axes", [](PlanT &p) { p.mesh.resize(9, 1); },
     "mesh: the number of axes is 9, legal are 0 to 8"},
    {"AxisOfNone", [](PlanT &p) { p.mesh[0] = 0; },
     "mesh: the size of an axis is 0, legal are 1 to 65536"},
    {"Ranks",
     [](PlanT &p) {
       p.mesh = {256, 257};
     },
     "mesh: the number of ranks is 65792, legal are 1 to 65536"},
    {"DataAxesDescend",
     [](PlanT &p) {
       p.data_axes = {1, 0};
     },
     "data_axes: axes [1, 0] are not ascending"},
    {"DataAxisOutside", [](PlanT &p) { p.data_axes = {2}; },
     "data_axes: names axis 2, the mesh has 2"},
    {"ConstantPerRank", [](PlanT &p) { p.constants[0]->per_rank = true; },
     "constant 0: offset 0 + 224 bytes for 4 ranks end outside its segment of 32"},
};

const Case shardCases[] = {
    {"Kind", [](PlanT &p) { shardOf(p, 2).kind = ShardKind(9); },
     "weight 2 \"layers.0.q\", piece 0, shard 0: kind 9 is unknown, the largest is 3"},
    {"Twice",
     [](PlanT &p) { p.weights[2]->pieces[0]->shards.push_back(shard(ShardKind::Rows, {0}, 2)); },
     "piece 0, shard 1: is the second of kind Rows"},
    {"NoAxes", [](PlanT &p) { shardOf(p, 2).axes.clear(); },
     "piece 0, shard 0: the number of axes is 0, legal are 1 to 8"},
    {"AxesDescend",
     [](PlanT &p) {
       shardOf(p, 2).axes = {1, 0};
     },
     "axes [1, 0] are not ascending"},
    {"AxisTwice",
     [](PlanT &p) {
       shardOf(p, 2).axes = {1, 1};
     },
     "axes [1, 1] are not ascending"},
    {"AxisOutside",
     [](PlanT &p) {
       shardOf(p, 2).axes = {1, 2};
     },
     "names axis 2, the mesh has 2"},
    {"NoParts", [](PlanT &p) { shardOf(p, 2).parts = 0; },
     "parts is 0, legal are the divisors of the 2 ranks along its axes"},
    {"Parts", [](PlanT &p) { shardOf(p, 2).parts = 4; },
     "parts is 4, legal are the divisors of the 2 ranks along its axes"},
    {"ColumnsOfAVector",
     [](PlanT &p) { p.weights[1]->pieces[0]->shards.push_back(shard(ShardKind::Columns, {0}, 2)); },
     "weight 1 \"layers.0.norm\", piece 0, shard 0: cuts columns, the piece has none: its rank is "
     "1"},
    {"StackOfOne",
     [](PlanT &p) { p.weights[1]->pieces[0]->shards.push_back(shard(ShardKind::Stack, {0}, 2)); },
     "cuts a stack, but the weight is none: its count is 0"},
    {"Shape", [](PlanT &p) { shardOf(p, 2).parts = 1; },
     "weight 2 \"layers.0.q\": shape is [16, 32], its pieces and shards make [32, 32]"},
    {"ShapeOfColumns", [](PlanT &p) { shardOf(p, 5).parts = 1; },
     "weight 5 \"layers.0.o\": shape is [32, 16], its pieces and shards make [32, 32]"},
};

const Case collectiveCases[] = {
    {"Kind", [](PlanT &p) { collective(p).kind = fb::CollectiveKind(9); },
     "kernel 11 \"all_reduce11\": the kind of collective 9 is unknown, the largest is 2"},
    {"Axes", [](PlanT &p) { collective(p).axes = {2}; }, "names axis 2, the mesh has 2"},
    {"NoMesh", [](PlanT &p) { p.mesh.clear(); }, "names axis 1, the mesh has 0"},
    {"Op", [](PlanT &p) { p.kernels[kernelCount]->op = "add"; },
     "op is \"add\", its collective is all_reduce"},
    {"Operands", [](PlanT &p) { p.kernels[kernelCount]->operands = 3; },
     "has 3 operands, 1 of them outputs; all_reduce has 2, of them 1"},
    {"DType", [](PlanT &p) { collective(p).dtype = fb::DType(9); }, "dtype 9 is unknown"},
    {"SumOfInt8", [](PlanT &p) { collective(p).dtype = fb::DType::Int8; },
     "sums int8; legal are float32, bfloat16, float16 and int32"},
    {"NoCount", [](PlanT &p) { collective(p).count.reset(); }, "count is absent"},
    {"CountSymbol",
     [](PlanT &p) {
       setCount(p, {fb::Symbol(9), 1});
     },
     "the symbol of count 9 is unknown"},
    {"CountOfNone",
     [](PlanT &p) {
       setCount(p, {fb::Symbol::Tokens, 0});
     },
     "count has scale 0"},
    {"CountHuge",
     [](PlanT &p) {
       setCount(p, {fb::Symbol::Tokens, huge});
     },
     "count is larger than any memory"},
    {"Receive",
     [](PlanT &p) {
       setCount(p, {fb::Symbol::Tokens, hidden + 1});
     },
     "body 1 \"decoder_layer\", command 9: all_reduce receives into buffer 7 \"o\" of 512 bytes, "
     "it "
     "takes 528 at the plan's limits"},
    {"GatherReceives", [](PlanT &p) { setKind(p, fb::CollectiveKind::AllGather); },
     "all_gather receives into buffer 7 \"o\" of 512 bytes, it takes 1024"},
    {"ScatterSends", [](PlanT &p) { setKind(p, fb::CollectiveKind::ReduceScatter); },
     "reduce_scatter sends from buffer 7 \"o\" of 512 bytes, it takes 1024"},
    {"Output",
     [](PlanT &p) {
       operand(p, 0) = {Space::Output, 0};
       collective(p).dtype = fb::DType::Float32;
       setCount(p, {fb::Symbol::Tokens, vocabulary + 1});
     },
     "all_reduce receives into the step output of 1280 bytes, it takes 1312"},
    {"OtherDType", [](PlanT &p) { collective(p).dtype = fb::DType::Float16; },
     "all_reduce of float16 receives into buffer 7 \"o\", which is bfloat16"},
    {"ReceivesIntoInput",
     [](PlanT &p) {
       operand(p, 0) = {Space::Input, 0};
     },
     "all_reduce receives into what is Input; legal are buffers of the arena and step outputs"},
    {"SendsParameter",
     [](PlanT &p) {
       operand(p, 1) = {Space::Parameter, 0};
     },
     "all_reduce sends from what is Parameter; legal are buffers of the arena and step inputs"},
    {"SendsInputOfOtherDType",
     [](PlanT &p) {
       operand(p, 1) = {Space::Input, 0};
     },
     "all_reduce of bfloat16 sends from token_ids, which is int32"},
    {"SharesWithoutWhole",
     [](PlanT &p) {
       p.limits->token_shares = 2;
       setKind(p, fb::CollectiveKind::ReduceScatter);
       setCount(p, {fb::Symbol::TokenShares, hidden});
     },
     "has no whole; gathers and scatters of shares of the tokens have one, and only they"},
    {"WholeOfASum",
     [](PlanT &p) {
       collective(p).whole = std::make_unique<fb::Dim>(fb::Symbol::Tokens, uint64_t(hidden));
     },
     "has a whole; gathers and scatters of shares of the tokens have one, and only they"},
    {"WholeOfOthers",
     [](PlanT &p) {
       p.limits->token_shares = 2;
       setKind(p, fb::CollectiveKind::ReduceScatter);
       setCount(p, {fb::Symbol::TokenShares, hidden});
       collective(p).whole = std::make_unique<fb::Dim>(fb::Symbol::LogitRows, uint64_t(hidden));
     },
     "whole is 32 times LogitRows; the shares make 32 times Tokens"},
    {"SharesOfOthers",
     [](PlanT &p) {
       p.limits->token_shares = 4;
       setKind(p, fb::CollectiveKind::ReduceScatter);
       setCount(p, {fb::Symbol::TokenShares, hidden});
       collective(p).whole = std::make_unique<fb::Dim>(fb::Symbol::Tokens, uint64_t(hidden));
     },
     "is of 2 ranks, the tokens are divided into 4 shares"},
    {"NoShares", [](PlanT &p) { p.limits->token_shares = 0; },
     "limits: token_shares is 0, legal are 1 to 65536"},
    {"SharesHold",
     [](PlanT &p) {
       p.limits->token_shares = 2;
       setKind(p, fb::CollectiveKind::AllGather);
       setCount(p, {fb::Symbol::TokenShares, hidden + 1});
       collective(p).whole = std::make_unique<fb::Dim>(fb::Symbol::Tokens, uint64_t(hidden + 1));
     },
     "all_gather receives into buffer 7 \"o\" of 512 bytes, it takes 528"},
    {"GatherInPlace",
     [](PlanT &p) {
       setKind(p, fb::CollectiveKind::AllGather);
       setCount(p, {fb::Symbol::Tokens, hidden / 2});
     },
     "\"all_gather\" may not write buffer 7 \"o\" over its input buffer 7 \"o\""},
    {"Unordered", [](PlanT &p) { addReduceOfK(p, Append); },
     "command 11: does not wait for command 9, which is a collective, too: ranks could come to "
     "them in different orders"},
    {"WithoutWait",
     [](PlanT &p) {
       fb::BodyT &layer = *p.bodies[Layer];
       layer.waits[layer.commands[Reduce].wait_first()] = Attend;
     },
     "command 9: does not wait for command 8, which writes buffer 7 \"o\""},
};

class VerifyRanks : public testing::TestWithParam<Case> {};

TEST_P(VerifyRanks, Refuses) {
  PlanT plan = withSegments(rankedPlan({2, 2}));
  GetParam().change(plan);
  EXPECT_NE(verifierMessage(plan).find(GetParam().message), std::string::npos)
      << "expected: " << GetParam().message << "\ngot:      " << verifierMessage(plan);
}

std::string caseName(const testing::TestParamInfo<Case> &info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Mesh, VerifyRanks, testing::ValuesIn(meshCases), caseName);
INSTANTIATE_TEST_SUITE_P(Shards, VerifyRanks, testing::ValuesIn(shardCases), caseName);
INSTANTIATE_TEST_SUITE_P(Collectives, VerifyRanks, testing::ValuesIn(collectiveCases), caseName);

TEST(VerifyRanksOf, AcceptsPlansOfRanks) {
  for (const std::vector<uint32_t> &mesh :
       {std::vector<uint32_t>{1}, {2}, {2, 2}, {3, 1}, {8192, 2}, {1, 2, 1, 2}})
    EXPECT_EQ(verifierMessage(withSegments(rankedPlan(mesh))), "") << mesh.size() << " axes";
}

TEST(VerifyRanksOf, CollectivesInOrder) {
  PlanT plan = withSegments(rankedPlan({2, 2}));
  addReduceOfK(plan, Residual + 1);
  EXPECT_EQ(verifierMessage(plan), "");
}

TEST(MeshOfRanks, PlacesAlongAxes) {
  const Mesh mesh({2, 3, 4});
  EXPECT_EQ(mesh.ranks(), 24u);
  const std::vector<uint32_t> outer = {0}, inner = {2}, both = {0, 2}, all = {0, 1, 2};
  EXPECT_EQ(mesh.ranksAlong(both), 8u);
  const uint32_t rank = (1 * 3 + 2) * 4 + 3;
  EXPECT_EQ(mesh.placeAlong(outer, rank), 1u);
  EXPECT_EQ(mesh.placeAlong(inner, rank), 3u);
  EXPECT_EQ(mesh.placeAlong(both, rank), 7u);
  EXPECT_EQ(mesh.placeAlong(all, rank), rank);
  EXPECT_EQ(mesh.firstAlong(inner, rank), rank - 3);
  EXPECT_EQ(mesh.firstAlong(both, rank), 2u * 4);
  EXPECT_EQ(mesh.firstAlong(all, rank), 0u);
  EXPECT_EQ(Mesh(std::vector<uint32_t>()).ranks(), 1u);
}

} // namespace
} // namespace vinci
