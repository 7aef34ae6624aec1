// Ranks in lockstep: what the observer is shown, when, and what is refused.
#include "runtime/exec/traced_run.h"

#include "runtime/device/communicator_group.h"
#include "runtime/support/error.h"

#include <array>
#include <gtest/gtest.h>

namespace vinci {
namespace {

/// buffers: out, in; dims: tokens. out = 2 * in.
void twice(void *const *buffers, const uint64_t *, uint32_t tile) {
  static_cast<float *>(buffers[0])[tile] = 2 * static_cast<const float *>(buffers[1])[tile];
}

constexpr uint32_t ranks = 3, tokens = 2;

/// On each rank `value` = 2 * input; `sum` = all_reduce(value); `value` = 2 * sum: one place twice.
struct World {
  World() : group(ranks), lists(ranks) {
    dims[VINCI_DIM_TOKENS] = tokens;
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      input[rank] = {float(rank), 10};
      addTwice(rank, value[rank], input[rank]);
      addSum(rank, {VINCI_DIM_TOKENS, 1});
      addTwice(rank, value[rank], sum[rank]);
    }
  }
  using Floats = std::array<float, tokens>;

  void addTwice(uint32_t rank, Floats &out, Floats &in) {
    void *buffers[] = {out.data(), in.data()};
    lists[rank].add({twice, buffers, {VINCI_DIM_TOKENS, 1, 1, 1}, &dims});
  }
  void addSum(uint32_t rank, Extent count) {
    CollectiveCall call;
    call.group = &group;
    call.rank = rank;
    call.send = value[rank].data();
    call.receive = sum[rank].data();
    call.count = count;
    call.dims = &dims;
    lists[rank].add(call);
  }

  StepDims dims;
  CommunicatorGroup group;
  std::array<Floats, ranks> input, value, sum;
  std::vector<CommandList> lists;
};

TEST(TracedRun, ShowsWhatEachCommandHasWritten) {
  World world;
  std::vector<std::vector<float>> shown;
  runTraced(world.lists, [&](const TracedCommand &command) {
    EXPECT_EQ(command.ordinal * ranks, shown.size());
    EXPECT_EQ(command.dims()[VINCI_DIM_TOKENS], tokens);
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      const auto *values = static_cast<const float *>(command.output(rank, 0));
      shown.push_back({values, values + tokens});
    }
  });
  const std::vector<std::vector<float>> expected = {
      {0, 20}, {2, 20}, {4, 20}, {6, 60}, {6, 60}, {6, 60}, {12, 120}, {12, 120}, {12, 120}};
  EXPECT_EQ(shown, expected);
}

TEST(TracedRun, RunsAgain) {
  World world;
  for (int i = 0; i < 3; ++i) {
    uint32_t commands = 0;
    runTraced(world.lists, [&](const TracedCommand &) { ++commands; });
    EXPECT_EQ(commands, 3u);
    EXPECT_EQ(world.value[2], (World::Floats{12, 120}));
  }
}

std::string messageOf(std::span<const CommandList> lists) {
  try {
    runTraced(lists, [](const TracedCommand &) {});
  } catch (const Error &error) {
    return error.message();
  }
  return "";
}

TEST(TracedRun, RefusesRanksThatDiffer) {
  World longer;
  longer.addTwice(1, longer.sum[1], longer.sum[1]);
  EXPECT_EQ(messageOf(longer.lists), "ranks of one program have 3 and 4 commands");

  World counts;
  for (uint32_t rank = 0; rank < ranks; ++rank)
    counts.addSum(rank, {VINCI_DIM_ONE, rank == 2 ? 1u : 2u});
  EXPECT_NE(messageOf(counts.lists).find("all ranks must call the same"), std::string::npos);

  World missing; // rank 0 computes while the others wait for it
  missing.addTwice(0, missing.sum[0], missing.sum[0]);
  missing.addSum(1, {VINCI_DIM_ONE, 1});
  missing.addSum(2, {VINCI_DIM_ONE, 1});
  EXPECT_NE(messageOf(missing.lists).find("all 3 ranks must issue it"), std::string::npos);
}

} // namespace
} // namespace vinci
