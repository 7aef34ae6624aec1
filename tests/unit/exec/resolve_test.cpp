// Addresses and dependencies of commands, on tables made by hand.
#include "runtime/exec/resolve.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

void first(void *const *, const uint64_t *, uint32_t) {}
void second(void *const *, const uint64_t *, uint32_t) {}

using fb::Space;

/// Two buffers; a body of three commands, the last of which waits for the first; an entry that
/// calls it for two layers.
fb::PlanT tables() {
  fb::PlanT plan;
  for (uint64_t offset : {0, 128}) {
    plan.buffers.push_back(std::make_unique<fb::BufferT>());
    plan.buffers.back()->offset = offset;
  }
  auto body = std::make_unique<fb::BodyT>();
  body->parameters = {"weight", "cache"};
  body->operands = {{Space::Arena, 1},     {Space::Input, 1},    {Space::Parameter, 0},
                    {Space::Parameter, 1}, {Space::Constant, 0}, {Space::Output, 0}};
  body->waits = {0};
  const fb::TileRule rule(fb::Symbol::Sequences, 2, 3, 4);
  body->commands = {fb::Command(0, 0, 3, 0, 0, 0, rule), fb::Command(1, 3, 2, 0, 0, 1, rule),
                    fb::Command(0, 5, 1, 0, 1, 0, rule)};
  plan.bodies.push_back(std::move(body));
  auto entry = std::make_unique<fb::EntryT>();
  for (uint32_t layer : {0, 1}) {
    entry->calls.push_back(std::make_unique<fb::CallT>());
    entry->calls.back()->bindings = {{fb::BindingKind::Weight, 1 - layer},
                                     {fb::BindingKind::KvCache, layer}};
  }
  plan.entries.push_back(std::move(entry));
  for (int i = 0; i < 2; ++i)
    plan.kernels.push_back(std::make_unique<fb::KernelT>());
  return plan;
}

TEST(Resolve, EveryOperandBecomesAnAddress) {
  flatbuffers::FlatBufferBuilder builder;
  fb::PlanT source = tables();
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &source));
  const fb::Plan &plan = *fb::GetPlan(builder.GetBufferPointer());

  std::byte arena[256], cache[1024];
  int weights[2], constants[1], inputs[2], outputs[1];
  Addresses addresses;
  addresses.arena = arena;
  addresses.kvCache = cache;
  addresses.kvLayerBytes = 512;
  addresses.weights = {&weights[0], &weights[1]};
  addresses.constants = {&constants[0]};
  addresses.inputs = {&inputs[0], &inputs[1]};
  addresses.outputs = {&outputs[0]};
  addresses.kernels = {first, second};
  StepDims dims;
  CommandList list = resolveEntry(plan, *plan.entries()->Get(0), addresses, dims);

  ASSERT_EQ(list.size(), 6u);
  auto operands = [&](uint32_t ordinal, size_t count) {
    void *const *buffers = list.buffers(list.command(ordinal));
    return std::vector<void *>(buffers, buffers + count);
  };
  EXPECT_EQ(operands(0, 3), (std::vector<void *>{arena + 128, &inputs[1], &weights[1]}));
  EXPECT_EQ(operands(1, 2), (std::vector<void *>{cache, &constants[0]}));
  EXPECT_EQ(operands(2, 1), (std::vector<void *>{&outputs[0]}));
  EXPECT_EQ(operands(3, 3), (std::vector<void *>{arena + 128, &inputs[1], &weights[0]}));
  EXPECT_EQ(operands(4, 2), (std::vector<void *>{cache + 512, &constants[0]}));
  EXPECT_EQ(list.command(4).kernel, &second);

  // Within a call only waits order commands; a call comes after all of the one before.
  for (uint32_t ordinal = 0; ordinal < 6; ++ordinal) {
    const CommandList::Command &command = list.command(ordinal);
    EXPECT_EQ(command.after, ordinal < 3 ? 0u : 3u) << ordinal;
    auto waits = list.waits(command);
    EXPECT_EQ(std::vector<uint32_t>(waits.begin(), waits.end()),
              ordinal == 2   ? std::vector<uint32_t>{0}
              : ordinal == 5 ? std::vector<uint32_t>{3}
                             : std::vector<uint32_t>{})
        << ordinal;
    EXPECT_EQ(command.dims, &dims);
  }
  dims[VINCI_DIM_SEQUENCES] = 5;
  EXPECT_EQ(list.command(0).tiles.tiles(dims), 16u) << "ceil(5 * 2 / 3) * 4";
}

TEST(Resolve, PiecesEndAtAttention) {
  fb::PlanT source = tables();
  source.kernels[0]->op = "matmul";
  source.kernels[1]->op = "attention";
  source.bodies[0]->waits = {0, 1}; // the last command waits for both
  source.bodies[0]->commands.back() =
      fb::Command(0, 5, 1, 0, 2, 0, fb::TileRule(fb::Symbol::Tokens, 1, 1, 1));
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &source));
  const fb::Plan &plan = *fb::GetPlan(builder.GetBufferPointer());
  std::byte arena[256], cache[1024];
  int values[2];
  Addresses addresses;
  addresses.arena = arena;
  addresses.kvCache = cache;
  addresses.weights = addresses.inputs = {&values[0], &values[1]};
  addresses.constants = addresses.outputs = {&values[0]};
  addresses.kernels = {first, second};
  StepDims dims;
  const auto pieces = resolvePieces(plan, *plan.entries()->Get(0), addresses, dims);
  // The first layer's commands, and those of the second up to its attention, in one piece.
  std::vector<size_t> sizes;
  for (const CommandList &piece : pieces)
    sizes.push_back(piece.size());
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 1, 2, 1, 1}));
  for (size_t i : {1, 3})
    EXPECT_EQ(pieces[i].command(0).kernel, &second);
  // What it waits for has run before the piece begins.
  EXPECT_TRUE(pieces[2].waits(pieces[2].command(0)).empty());
}

TEST(Resolve, WhatComputesFirstBecomesTwoCommands) {
  fb::PlanT source = tables();
  source.mesh = {1};
  source.kernels[1]->operands = 3;
  source.kernels[1]->collective = std::make_unique<fb::CollectiveT>();
  source.kernels[1]->collective->axes = {0};
  source.kernels[1]->collective->count = std::make_unique<fb::Dim>(fb::Symbol::Tokens, uint64_t(7));
  source.bodies[0]->waits = {1}; // the last command waits for the sum
  source.entries[0]->calls.pop_back();
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &source));
  const fb::Plan &plan = *fb::GetPlan(builder.GetBufferPointer());

  std::byte arena[256], cache[1024];
  int values[2];
  RankGroups groups(plan);
  Addresses addresses;
  addresses.arena = arena;
  addresses.kvCache = cache;
  addresses.weights = {&values[0], &values[1]};
  addresses.constants = addresses.outputs = {&values[0]};
  addresses.inputs = {&values[0], &values[1]};
  addresses.kernels = {first, second};
  addresses.groups = groups.placesOf(0);
  StepDims dims;
  CommandList list = resolveEntry(plan, *plan.entries()->Get(0), addresses, dims);

  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list.command(1).kernel, &second);
  EXPECT_EQ(list.command(2).kernel, nullptr);
  const CollectiveCall &sum = list.collective(list.command(2));
  EXPECT_EQ(sum.receive, cache) << "the first operand";
  EXPECT_EQ(sum.send, sum.receive);
  auto waitsOf = [&](uint32_t ordinal) {
    auto waits = list.waits(list.command(ordinal));
    return std::vector<uint32_t>(waits.begin(), waits.end());
  };
  EXPECT_EQ(waitsOf(2), std::vector<uint32_t>{1});
  EXPECT_EQ(waitsOf(3), std::vector<uint32_t>{2});
}

} // namespace
} // namespace vinci
