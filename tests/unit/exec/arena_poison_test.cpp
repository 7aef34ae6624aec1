#include "runtime/exec/arena_poison.h"

#include "runtime/support/error.h"
#include "tests/unit/plan/sample_plan.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace vinci {
namespace {

/// Runs the entry with kernels that only fill their outputs: how many commands find poison in what
/// they read. The plan need not be one that the verifier would let pass.
struct Run {
  uint32_t poisoned = 0;
  uint64_t highWater = 0;
};

Run run(const fb::PlanT &tables, const char *entryName) {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &tables));
  const fb::Plan &plan = *fb::GetPlan(builder.GetBufferPointer());
  const fb::Entry *entry = nullptr;
  for (const fb::Entry *one : *plan.entries())
    if (one->name()->string_view() == entryName)
      entry = one;
  ArenaPoison poison(plan, *entry);
  std::vector<std::byte> arena(plan.arena_bytes());
  poison.begin(arena.data());
  Run result;
  uint32_t ordinal = 0;
  for (const fb::Call *call : *entry->calls()) {
    const fb::Body &body = *plan.bodies()->Get(call->body());
    for (const fb::Command *command : *body.commands()) {
      const uint32_t outputs = plan.kernels()->Get(command->kernel())->outputs();
      for (uint32_t i = command->operand_count(); i-- > 0;) { // reads before it writes
        const fb::Operand *operand = body.operands()->Get(command->operand_first() + i);
        if (operand->space() != fb::Space::Arena)
          continue;
        const fb::Buffer *buffer = plan.buffers()->Get(operand->index());
        std::byte *bytes = arena.data() + buffer->offset();
        if (i < outputs)
          std::memset(bytes, 1, buffer->bytes());
        else
          result.poisoned += std::count(bytes, bytes + buffer->bytes(), std::byte(0xff)) > 0;
      }
      poison.after(ordinal++, arena.data());
    }
  }
  result.highWater = poison.highWater();
  return result;
}

TEST(ArenaPoison, NobodyReadsItInASoundPlan) {
  for (const char *entry : {"prefill", "decode", "score"}) {
    const fb::PlanT plan = sample::plan();
    EXPECT_EQ(run(plan, entry).poisoned, 0u) << entry;
    EXPECT_LE(run(plan, entry).highWater, plan.arena_bytes) << entry;
  }
}

TEST(ArenaPoison, TheHighestByteIsTheEndOfTheArena) {
  const fb::PlanT plan = sample::plan();
  const fb::BufferT &last = *plan.buffers[sample::Rows];
  EXPECT_EQ(run(plan, "prefill").highWater, last.offset + last.bytes);
}

TEST(ArenaPoison, FindsBuffersThatOverlapWhileBothLive) {
  // The residual lives through the layer, q dies in it.
  fb::PlanT plan = sample::plan();
  plan.buffers[sample::Q]->offset = plan.buffers[sample::Hidden]->offset;
  EXPECT_GT(run(plan, "decode").poisoned, 0u);
  // Part of one is enough: o dies at the end of a layer, the rope table is read in the next.
  plan = sample::plan();
  plan.buffers[sample::O]->offset = plan.buffers[sample::Rope]->offset + 64;
  EXPECT_GT(run(plan, "decode").poisoned, 0u);
}

TEST(ArenaPoison, SharingByTurnsIsFine) {
  // o is made when q is dead.
  fb::PlanT plan = sample::plan();
  plan.buffers[sample::O]->offset = plan.buffers[sample::Q]->offset;
  EXPECT_EQ(run(plan, "decode").poisoned, 0u);
}

TEST(ArenaPoison, LogitsThatAreNoNumbersAreAnError) {
  requireNumbers(std::vector<float>{1, -2});
  try {
    requireNumbers(std::vector<float>{1, std::nanf("")});
    FAIL();
  } catch (const Error &error) {
    EXPECT_NE(error.message().find("logit 1 of a poisoned step is not a number"),
              std::string::npos);
  }
}

} // namespace
} // namespace vinci
