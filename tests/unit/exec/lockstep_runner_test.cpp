// Lists of ranks in several processes, in pieces between collectives.
#include "runtime/exec/lockstep_runner.h"

#include "runtime/device/communicator_group.h"
#include "runtime/device/sequential_runner.h"
#include "runtime/support/error.h"
#include "tests/unit/device/processes_of_threads.h"

#include <array>
#include <gtest/gtest.h>

namespace vinci {
namespace {

/// buffers: out, in; dims: tokens. out = 2 * in.
void twice(void *const *buffers, const uint64_t *, uint32_t tile) {
  static_cast<float *>(buffers[0])[tile] = 2 * static_cast<const float *>(buffers[1])[tile];
}

constexpr uint32_t tokens = 2;
using Floats = std::array<float, tokens>;

/// Ranks in a row of a mesh [2, 2]: value = 2 * input; sum over the column; value = 2 * sum; sum
/// over the row.
struct Rank {
  Floats input, value, sum, result;
  CommandList list;

  void build(CommunicatorGroup &column, uint32_t inColumn, CommunicatorGroup &row, uint32_t inRow,
             const StepDims &dims) {
    list.add(launchOf(value, input, dims));
    list.add(sumOf(column, inColumn, sum, value, dims));
    list.barrier();
    list.add(launchOf(value, sum, dims));
    list.barrier();
    list.add(sumOf(row, inRow, result, value, dims));
  }

private:
  KernelLaunch launchOf(Floats &out, Floats &in, const StepDims &dims) {
    operands_ = {out.data(), in.data()};
    return {twice, operands_, {VINCI_DIM_TOKENS, 1, 1, 1}, &dims};
  }
  static CollectiveCall sumOf(CommunicatorGroup &group, uint32_t place, Floats &out, Floats &in,
                              const StepDims &dims) {
    CollectiveCall call;
    call.group = &group;
    call.rank = place;
    call.send = in.data();
    call.receive = out.data();
    call.count = {VINCI_DIM_TOKENS, 1};
    call.dims = &dims;
    return call;
  }
  std::array<void *, 2> operands_;
};

TEST(LockstepRunner, RunsGroupsThatCrossProcesses) {
  ProcessesOfThreads all(2);
  all.run([](ProcessGroup &process) {
    StepDims dims;
    dims[VINCI_DIM_TOKENS] = tokens;
    // Process p has ranks 2p and 2p + 1; columns cross, the row is its own.
    CommunicatorGroup first(0, {0, 1}, process), second(1, {0, 1}, process);
    CommunicatorGroup row(2 * process.rank(), {process.rank(), process.rank()}, process);
    EXPECT_FALSE(row.isRemote());
    std::array<Rank, 2> ranks;
    std::vector<CommandList *> lists;
    for (uint32_t i = 0; i < 2; ++i) {
      ranks[i].input = {float(2 * process.rank() + i), 100};
      ranks[i].build(i ? second : first, process.rank(), row, i, dims);
      lists.push_back(&ranks[i].list);
    }
    SequentialRunner sequential;
    LockstepRunner runner(sequential);
    for (int step = 0; step < 3; ++step) {
      for (Rank &rank : ranks)
        rank.result = {};
      runner.run(lists);
      // 2 * (2 * (0 + 2)) + 2 * (2 * (1 + 3)), and 16 times 100.
      for (const Rank &rank : ranks)
        EXPECT_EQ(rank.result, (Floats{24, 1600}));
    }
  });
}

TEST(LockstepRunner, RefusesProgramsThatDiffer) {
  StepDims dims;
  dims[VINCI_DIM_TOKENS] = tokens;
  CommunicatorGroup group(2), row(2);
  std::array<Rank, 2> ranks;
  ranks[0].build(group, 0, row, 0, dims);
  CommandList *lists[] = {&ranks[0].list, &ranks[1].list};
  SequentialRunner sequential;
  LockstepRunner runner(sequential);
  EXPECT_THROW(runner.run(lists), Error);
}

TEST(LockstepRunner, NamesACollectiveThatOthersDoNotComeTo) {
  StepDims dims;
  dims[VINCI_DIM_TOKENS] = tokens;
  CommunicatorGroup group(3), row(1);
  Rank rank;
  rank.build(group, 0, row, 0, dims);
  CommandList *lists[] = {&rank.list};
  SequentialRunner sequential;
  LockstepRunner runner(sequential);
  try {
    runner.run(lists);
    FAIL();
  } catch (const Error &error) {
    EXPECT_NE(error.message().find("rank 0 waits in all_reduce"), std::string::npos);
  }
}

TEST(CommandList, GivesAPartWithItsOrder) {
  StepDims dims;
  Floats values = {};
  void *buffers[] = {values.data(), values.data()};
  void *others[] = {values.data() + 1};
  CommunicatorGroup group(1);
  CollectiveCall call;
  call.group = &group;
  call.dims = &dims;
  CommandList list;
  const KernelLaunch launch{twice, buffers, {}, &dims}, other{twice, others, {}, &dims};
  list.add(launch);
  const uint32_t waits[] = {0};
  list.add(other, waits);
  list.barrier();
  list.add(call);
  const uint32_t more[] = {2};
  list.add(other, more);
  list.add(launch);

  const CommandList part = list.part(1, 4);
  ASSERT_EQ(part.size(), 3u);
  EXPECT_EQ(part.waits(part.command(0)).size(), 0u); // 0 has run
  EXPECT_EQ(part.buffers(part.command(0))[0], values.data() + 1);
  EXPECT_EQ(part.collective(part.command(1)).group, &group);
  EXPECT_EQ(part.command(1).after, 1u); // the barrier
  ASSERT_EQ(part.waits(part.command(2)).size(), 1u);
  EXPECT_EQ(part.waits(part.command(2))[0], 1u);
  EXPECT_EQ(list.part(4, 5).buffers(list.part(4, 5).command(0))[1], values.data());
}

} // namespace
} // namespace vinci
