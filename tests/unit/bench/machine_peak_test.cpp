// What a processor can do is measured with what it has. No test here is about how fast that is.
#include "runtime/bench/machine_peak.h"

#include "runtime/exec/cpu_features.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace vinci {
namespace {

TEST(MultiplyLoops, RunOnThisProcessor) {
  const std::vector<std::string> features = hostFeatures();
  std::set<DType> types;
  for (const MultiplyLoop &loop : multiplyLoops(features)) {
    EXPECT_NE(std::ranges::find(features, loop.instructions), features.end()) << loop.instructions;
    EXPECT_GT(loop.flops, 0);
    loop.run(100); // does not trap
    types.insert(loop.dtype);
  }
  EXPECT_EQ(types, (std::set{DType::Float32, DType::BFloat16, DType::Float16, DType::Int8}));
}

TEST(MultiplyLoops, AreThoseOfTheFeaturesAlone) {
  const std::vector<std::string> few = {"avx2", "fma"};
  for (const MultiplyLoop &loop : multiplyLoops(few))
    EXPECT_TRUE(loop.instructions == "avx2" || loop.instructions == "fma") << loop.instructions;
  EXPECT_TRUE(multiplyLoops({}).empty());
}

TEST(ReadLoops, ReadWithAndWithoutWideVectors) {
  std::vector<std::byte> memory(2 * 16 * 4096, std::byte{7});
  auto *begin = reinterpret_cast<std::byte *>((reinterpret_cast<uintptr_t>(memory.data()) + 4095) /
                                              4096 * 4096);
  for (const std::vector<std::string> &features :
       {std::vector<std::string>{"avx2"}, hostFeatures()})
    for (const ReadLoop &loop : readLoops(features))
      loop.run(begin, 16 * 4096);
}

TEST(MachinePeak, MeasuresWithTheThreadsItIsGiven) {
  for (uint32_t threads : {1u, 2u}) {
    MachinePeak peak(threads);
    EXPECT_EQ(peak.threads(), threads);
    EXPECT_GT(peak.readGbPerS(), 0);
    EXPECT_FALSE(peak.readMethod().empty());
    EXPECT_EQ(peak.instructions(DType::BFloat16), "");
    EXPECT_GT(peak.multiplyTflops(DType::BFloat16), 0);
    EXPECT_NE(peak.instructions(DType::BFloat16), "");
    EXPECT_GT(peak.multiplyTflops(DType::Int8), 0);
  }
}

} // namespace
} // namespace vinci
