#include "runtime/exec/region_executor.h"

#include "runtime/device/communicator.h"
#include "runtime/device/simulated_device.h"
#include "runtime/support/error.h"
#include "tests/unit/exec/allocations.h"
#include "tests/unit/exec/lists.h"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>

namespace vinci {
namespace {

using namespace test;

TEST(RegionExecutor, RunsListsOnAnyNumberOfThreads) {
  for (uint32_t threads : {1, 2, 16}) {
    RegionExecutor executor(threads);
    EXPECT_EQ(executor.threads(), threads);
    RandomList random(300, threads);
    random.dims.values = {1, 17, 4, 2};
    CommandList *lists[] = {&random.list};
    for (random.steps = 1; random.steps <= 20; ++random.steps)
      executor.run(lists);
    for (const Trace &trace : random.traces) {
      ASSERT_EQ(trace.tilesRun, 20 * trace.tiles.tiles(random.dims));
      ASSERT_EQ(trace.early, 0u);
    }
  }
}

TEST(RegionExecutor, NeedsNoMoreThanTheCallingThread) {
  tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  RegionExecutor executor(4);
  RandomList random(200, 11);
  random.dims.values = {1, 17, 4, 2};
  CommandList *lists[] = {&random.list};
  executor.run(lists);
  for (const Trace &trace : random.traces)
    ASSERT_EQ(trace.tilesRun, trace.tiles.tiles(random.dims));
}

TEST(RegionExecutor, AllocatesNothingAfterWarmUp) {
  RegionExecutor executor(2);
  RandomList random(300, 5);
  random.dims.values = {1, 17, 4, 2};
  CommandList *lists[] = {&random.list};
  for (int i = 0; i < 20; ++i)
    executor.run(lists);
  uint64_t before = allocationCount();
  for (int i = 0; i < 200; ++i)
    executor.run(lists);
  EXPECT_EQ(allocationCount(), before);
}

/// buffers: float x[4]; adds tile + 1 to element `tile`.
void addTile(void *const *buffers, const uint64_t *, uint32_t tile) {
  static_cast<float *>(buffers[0])[tile] += float(tile + 1);
}

/// `devices` devices, each `rounds` times: a kernel of four tiles, then an all_reduce of what it
/// wrote.
std::vector<float> reduceRounds(uint32_t devices, uint32_t threads, int rounds) {
  RegionExecutor executor(threads);
  std::vector<DeviceProperties> properties;
  for (uint32_t i = 0; i < devices; ++i)
    properties.push_back({"npu" + std::to_string(i), 1 << 20});
  SimulatedMachine machine(properties, executor);
  auto comms = createCommunicators(devices);
  StepDims dims;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Graph>> graphs;
  std::vector<float *> data;
  for (uint32_t i = 0; i < devices; ++i) {
    data.push_back(static_cast<float *>(machine.device(i).allocate(16, "data")));
    data[i][0] = 0.1f * float(i);
    streams.push_back(machine.device(i).createStream());
    streams[i]->beginCapture();
    for (int round = 0; round < rounds; ++round) {
      void *buffers[] = {data[i]};
      streams[i]->launch({addTile, buffers, {VINCI_DIM_ONE, 4, 1, 1}, &dims});
      comms[i]->allReduce(data[i], data[i], {{VINCI_DIM_ONE, 4}, DType::Float32, &dims},
                          *streams[i]);
    }
    graphs.push_back(streams[i]->endCapture());
  }
  for (int step = 0; step < 3; ++step) {
    for (uint32_t i = 0; i < devices; ++i)
      streams[i]->launch(*graphs[i]);
    machine.synchronize();
  }
  for (uint32_t i = 1; i < devices; ++i)
    EXPECT_TRUE(std::equal(data[0], data[0] + 4, data[i])) << "device " << i;
  return {data[0], data[0] + 4};
}

TEST(RegionExecutor, SixteenDevicesOnOneThread) {
  std::vector<float> one = reduceRounds(16, 1, 5);
  float expected = 0;
  for (int round = 0; round < 15; ++round) {
    float sum = 0;
    for (int device = 0; device < 16; ++device)
      sum += expected + 4;
    expected = sum;
  }
  EXPECT_EQ(one[3], expected);
  EXPECT_EQ(reduceRounds(16, 2, 5), one);
  EXPECT_EQ(reduceRounds(16, 24, 5), one);
}

TEST(RegionExecutor, ErrorsLeaveTheTasksAndReachTheCaller) {
  RegionExecutor executor(2);
  SimulatedMachine machine({{"npu0", 1 << 20}, {"npu1", 1 << 20}}, executor);
  auto comms = createCommunicators(2);
  auto stream = machine.device(0).createStream();
  StepDims dims;
  float value = 1;
  comms[0]->allReduce(&value, &value, {{VINCI_DIM_ONE, 1}, DType::Float32, &dims}, *stream);
  try {
    machine.synchronize();
    FAIL() << "no error";
  } catch (const Error &error) {
    EXPECT_EQ(error.message(),
              "rank 0 waits in all_reduce for ranks that never come: all 2 ranks must issue it");
  }
}

TEST(RegionExecutor, RefusesAnImpossibleNumberOfThreads) {
  for (uint32_t threads : {0u, 1025u})
    try {
      RegionExecutor executor(threads);
      FAIL() << "no error";
    } catch (const Error &error) {
      EXPECT_EQ(error.message(), std::to_string(threads) + " threads; legal: 1 to 1024");
    }
  EXPECT_GE(RegionExecutor::defaultThreads(), 1u);
}

} // namespace
} // namespace vinci
