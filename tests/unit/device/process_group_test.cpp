// Collectives between processes against the same in one: the same bits, for every kind, type and
// division of the ranks.
#include "runtime/device/communicator_group.h"
#include "runtime/support/error.h"
#include "tests/unit/device/processes_of_threads.h"

#include <gtest/gtest.h>
#include <random>

namespace vinci {
namespace {

/// The buffers of `ranks` ranks for one operation.
struct Buffers {
  Buffers(uint32_t ranks, uint64_t bytes) : send(ranks), receive(ranks) {
    std::mt19937 random(ranks);
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      send[rank].resize(bytes);
      // Numbers near one, in any of the types: sums of them round.
      for (std::byte &byte : send[rank])
        byte = std::byte(0x3c ^ (random() & 0x83));
      receive[rank].assign(bytes, std::byte{0});
    }
  }
  std::vector<std::vector<std::byte>> send, receive;
};

struct Operation {
  CollectiveKind kind;
  DType dtype;
  uint64_t count, whole;
};

CollectiveCall callOf(const Operation &operation, CommunicatorGroup &group, uint32_t rank,
                      Buffers &buffers, const StepDims &dims) {
  CollectiveCall call;
  call.group = &group;
  call.rank = rank;
  call.kind = operation.kind;
  call.send = buffers.send[rank].data();
  call.receive = buffers.receive[rank].data();
  call.count = {VINCI_DIM_ONE, operation.count};
  call.whole = {VINCI_DIM_ONE, operation.whole};
  call.dtype = operation.dtype;
  call.root = 1;
  call.dims = &dims;
  return call;
}

class Collectives : public testing::TestWithParam<std::vector<uint32_t>> {};

TEST_P(Collectives, HaveTheBitsOfOneProcess) {
  const std::vector<uint32_t> &processOf = GetParam();
  const auto ranks = uint32_t(processOf.size());
  const uint32_t processes = processOf.back() + 1;
  const StepDims dims;
  for (CollectiveKind kind :
       {CollectiveKind::AllReduce, CollectiveKind::AllGather, CollectiveKind::ReduceScatter,
        CollectiveKind::Broadcast, CollectiveKind::AllToAll})
    for (DType dtype : {DType::Float32, DType::BFloat16, DType::Float16, DType::Int32})
      for (uint64_t whole : {0, 37}) { // of count 10 for each of 4 ranks: the last has 7
        if (whole && kind != CollectiveKind::AllGather && kind != CollectiveKind::ReduceScatter)
          continue;
        const Operation operation{kind, dtype, 10, whole};
        const uint64_t bytes = 10 * ranks * byteSize(dtype);
        Buffers expected(ranks, bytes), actual(ranks, bytes);
        CommunicatorGroup one(ranks);
        for (uint32_t rank = 0; rank < ranks; ++rank)
          one.arrive(callOf(operation, one, rank, expected, dims), {});
        ProcessesOfThreads all(processes);
        all.run([&](ProcessGroup &process) {
          CommunicatorGroup group(0, processOf, process);
          EXPECT_TRUE(group.isRemote());
          for (int round = 0; round < 2; ++round) {
            for (uint32_t rank = 0; rank < ranks; ++rank)
              if (processOf[rank] == process.rank())
                EXPECT_FALSE(group.arrive(callOf(operation, group, rank, actual, dims), {}));
            CommunicatorGroup *groups[] = {&group};
            CommunicatorGroup::complete(groups);
            EXPECT_FALSE(group.incomplete());
          }
        });
        EXPECT_EQ(actual.receive, expected.receive)
            << toString(kind) << " of " << toString(dtype) << ", " << whole << " in all";
      }
}

INSTANTIATE_TEST_SUITE_P(Divisions, Collectives,
                         testing::Values(std::vector<uint32_t>{0, 1, 2, 3},
                                         std::vector<uint32_t>{0, 0, 1, 1},
                                         std::vector<uint32_t>{0, 1, 1, 1}));

TEST(CommunicatorOfProcesses, SendsWhatAllNeedOnce) {
  const StepDims dims;
  ProcessesOfThreads all(2);
  Buffers buffers(4, 40);
  all.run([&](ProcessGroup &process) {
    CommunicatorGroup group(0, {0, 0, 1, 1}, process);
    for (uint32_t rank = 2 * process.rank(); rank < 2 * process.rank() + 2; ++rank)
      group.arrive(
          callOf({CollectiveKind::AllReduce, DType::Float32, 10, 0}, group, rank, buffers, dims),
          {});
    CommunicatorGroup *groups[] = {&group};
    CommunicatorGroup::complete(groups);
  });
  EXPECT_EQ(all.bytesSent(), 4u * 40); // each rank's buffer to the other process
}

TEST(CommunicatorOfProcesses, CompletesGroupsInOneOrder) {
  // Process 0 comes to them in the one order, process 1 in the other.
  const StepDims dims;
  ProcessesOfThreads all(2);
  Buffers buffers(4, 40);
  all.run([&](ProcessGroup &process) {
    CommunicatorGroup even(0, {0, 1}, process), odd(1, {0, 1}, process);
    for (uint32_t number : {process.rank(), 1 - process.rank()}) {
      CommunicatorGroup &group = number ? odd : even;
      CollectiveCall call = callOf({CollectiveKind::AllGather, DType::Float32, 2 + number, 0},
                                   group, process.rank(), buffers, dims);
      call.send = buffers.send[2 * process.rank() + number].data();
      call.receive = buffers.receive[2 * process.rank() + number].data();
      group.arrive(call, {});
    }
    CommunicatorGroup *groups[] = {process.rank() ? &odd : &even, process.rank() ? &even : &odd};
    CommunicatorGroup::complete(groups);
  });
  for (uint32_t number : {0, 1}) {
    const size_t bytes = (2 + number) * sizeof(float);
    EXPECT_EQ(std::memcmp(buffers.receive[number].data(), buffers.send[number].data(), bytes), 0);
    EXPECT_EQ(
        std::memcmp(buffers.receive[number].data() + bytes, buffers.send[2 + number].data(), bytes),
        0);
  }
}

TEST(CommunicatorOfProcesses, NamesAProcessWhoseRankNeverComes) {
  const StepDims dims;
  ProcessesOfThreads all(2);
  Buffers buffers(4, 40);
  CommunicatorGroup group(0, {0, 0, 1, 1}, all[0]);
  group.arrive(callOf({CollectiveKind::AllReduce, DType::Float32, 10, 0}, group, 0, buffers, dims),
               {});
  CommunicatorGroup *groups[] = {&group};
  try {
    CommunicatorGroup::complete(groups);
    FAIL();
  } catch (const Error &error) {
    EXPECT_NE(error.message().find("a rank of process 0 waits in a collective"), std::string::npos)
        << error.message();
  }
}

TEST(ProcessGroup, NamesProcessesThatHaveSomethingElse) {
  ProcessesOfThreads all(4);
  all.run([&](ProcessGroup &process) {
    const std::string same = "same", own = process.rank() == 2 ? "other" : "same";
    EXPECT_NO_THROW(requireSame(process, "the plan", std::as_bytes(std::span(same))));
    try {
      requireSame(process, "the plan", std::as_bytes(std::span(own)));
      ADD_FAILURE();
    } catch (const Error &error) {
      EXPECT_EQ(error.message(), "the plan of process 2 differs from that of process 0; all "
                                 "processes of mpirun need the same");
    }
  });
}

TEST(ProcessGroup, TakesTheLargest) {
  ProcessesOfThreads all(3);
  all.run([&](ProcessGroup &process) {
    std::vector<uint32_t> values = {process.rank(), 10 - process.rank(), 5};
    takeMaxima(process, values);
    EXPECT_EQ(values, (std::vector<uint32_t>{2, 10, 5}));
  });
}

} // namespace
} // namespace vinci
