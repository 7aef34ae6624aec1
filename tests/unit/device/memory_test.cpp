#include "runtime/device/sequential_runner.h"
#include "runtime/device/simulated_device.h"
#include "runtime/support/error.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

std::string messageOf(auto &&action) {
  try {
    action();
  } catch (const Error &error) {
    return error.message();
  }
  return "no error";
}

class Memory : public testing::Test {
protected:
  SequentialRunner runner_;
  SimulatedMachine machine_{{{"npu0", 8 << 20}}, runner_};
  Device &device_ = machine_.device(0);
};

TEST_F(Memory, IsZeroedAlignedAndCounted) {
  auto *bytes = static_cast<unsigned char *>(device_.allocate(5000, "arena"));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes) % 64, 0u);
  for (size_t i = 0; i < 5000; ++i)
    ASSERT_EQ(bytes[i], 0) << i;
  EXPECT_EQ(device_.memoryUse().used, 8192u);
  bytes[4999] = 7;
  device_.free(bytes);
  EXPECT_EQ(device_.memoryUse().used, 0u);
  EXPECT_EQ(device_.memoryUse().peak, 8192u);
  EXPECT_EQ(device_.memoryUse().capacity, uint64_t(8) << 20);
}

TEST_F(Memory, LargeBlocksStartOnHugePages) {
  void *block = device_.allocate(5 << 20, "KV cache");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % (2 << 20), 0u);
  static_cast<char *>(block)[(5 << 20) - 1] = 1;
  device_.free(block);
}

TEST_F(Memory, HighWaterMarkKeepsTheMostAtOnce) {
  void *a = device_.allocate(1 << 20, "a"), *b = device_.allocate(1 << 20, "b");
  device_.free(a);
  void *c = device_.allocate(4096, "c");
  EXPECT_EQ(device_.memoryUse().peak, uint64_t(2) << 20);
  EXPECT_EQ(device_.memoryUse().used, (uint64_t(1) << 20) + 4096);
  device_.free(b);
  device_.free(c);
}

TEST_F(Memory, OutOfMemoryNamesAskedFreeAndCapacity) {
  device_.allocate(1 << 20, "arena");
  EXPECT_EQ(messageOf([&] { device_.allocate(uint64_t(1) << 60, "KV cache"); }),
            "npu0: out of device memory: KV cache needs 1152921504606846976 bytes, 7340032 of "
            "8388608 are free");
  EXPECT_NO_THROW(device_.allocate(7 << 20, "the rest"));
  EXPECT_EQ(messageOf([&] { device_.allocate(1, "one more"); }),
            "npu0: out of device memory: one more needs 1 bytes, 0 of 8388608 are free");
}

TEST_F(Memory, CapacityNeedNotBeWholePages) {
  SimulatedMachine machine({{"npu0", 5000}}, runner_);
  auto *bytes = static_cast<char *>(machine.device(0).allocate(5000, "arena"));
  bytes[4999] = 1;
  EXPECT_EQ(machine.device(0).memoryUse().available(), 0u);
}

TEST_F(Memory, HostMemoryCountsWhileRegistered) {
  std::vector<char> weights(100000);
  device_.registerHostMemory(weights.data(), weights.size(), "weights");
  EXPECT_EQ(device_.memoryUse().used, 102400u);
  EXPECT_EQ(messageOf([&] { device_.registerHostMemory(weights.data(), 1, "weights"); }),
            "npu0: host memory (weights) registered twice");
  device_.unregisterHostMemory(weights.data());
  EXPECT_EQ(device_.memoryUse().used, 0u);
  EXPECT_EQ(messageOf([&] { device_.registerHostMemory(&weights, 9 << 20, "weights"); }),
            "npu0: out of device memory: weights needs 9437184 bytes, 8388608 of 8388608 are free");
}

TEST_F(Memory, RefusesNonsense) {
  EXPECT_EQ(messageOf([&] { device_.allocate(0, "arena"); }),
            "npu0: 0 bytes of device memory asked for (arena)");
  int onStack = 0;
  EXPECT_EQ(messageOf([&] { device_.free(&onStack); }),
            "npu0: free of an address that was not allocated here");
  EXPECT_EQ(messageOf([&] { device_.unregisterHostMemory(&onStack); }),
            "npu0: host memory unregistered that was not registered here");
  EXPECT_EQ(messageOf([&] { machine_.device(1); }),
            "there is no device 1; the machine has devices 0 to 0");
}

} // namespace
} // namespace vinci
