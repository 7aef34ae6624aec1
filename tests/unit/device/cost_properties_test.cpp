// What must hold whatever the constants: more of a resource never takes longer, more work never
// less, and a range holds its value.
#include "tests/unit/device/cost_test.h"
#include "tests/unit/exec/allocations.h"

#include <fmt/format.h>
#include <functional>
#include <vector>

namespace vinci {
namespace {

struct Work {
  std::string name;
  std::function<OpTime(const CostModel &, double scale)> time; ///< scale: how much of it
};

/// Work of every family, at awkward sizes; `scale` multiplies its rows.
std::vector<Work> allWork() {
  std::vector<Work> work;
  for (DType type : {DType::BFloat16, DType::Int8})
    for (auto [n, k] : {std::pair{100.0, 4000.0}, {1792.0, 5120.0}, {13824.0, 5120.0}})
      for (LaunchMode mode : {LaunchMode::Eager, LaunchMode::Graph})
        work.push_back({fmt::format("matmul {} {}x{}", toString(type), n, k),
                        [=](const CostModel &model, double scale) {
                          const double element = double(byteSize(type));
                          return model.matmul({type, type, scale, n, k, n * k * element,
                                               scale * (k * element + n * 2)},
                                              mode);
                        }});
  for (DType type : {DType::BFloat16, DType::Int8})
    work.push_back(
        {fmt::format("experts {}", toString(type)), [=](const CostModel &model, double scale) {
           const double element = double(byteSize(type)), rows = scale * 2;
           return model.groupedMatmul({type, type, CostModel::expectedHits(32, 128, 8, scale), rows,
                                       1024, 2048, 1024 * 2048 * element, rows * 6144},
                                      LaunchMode::Graph);
         }});
  for (double kvHeads : {1.0, 2.0, 8.0}) {
    work.push_back({fmt::format("decode of {} KV heads by length", kvHeads),
                    [=](const CostModel &model, double scale) {
                      return model.attention(test::decodeAttention(3, 37 * scale, kvHeads),
                                             LaunchMode::Graph);
                    }});
    work.push_back({fmt::format("decode of {} KV heads by sequences", kvHeads),
                    [=](const CostModel &model, double scale) {
                      return model.attention(test::decodeAttention(scale, 700, kvHeads),
                                             LaunchMode::Graph);
                    }});
    work.push_back(
        {fmt::format("prefill of {} KV heads", kvHeads), [=](const CostModel &model, double scale) {
           return model.attention(test::prefillAttention(5 * scale, 8 * kvHeads, kvHeads),
                                  LaunchMode::Graph);
         }});
  }
  work.push_back({"vector", [](const CostModel &model, double scale) {
                    return model.vector(scale * 30000, scale * 1e6, LaunchMode::Graph);
                  }});
  for (CollectiveKind kind :
       {CollectiveKind::AllReduce, CollectiveKind::AllGather, CollectiveKind::AllToAll})
    for (Expansion expansion : {Expansion::Host, Expansion::AiCpu, Expansion::Aiv})
      for (uint32_t ranks : {2, 3, 8, 16, 24})
        work.push_back({fmt::format("collective {} of {}", int(kind), ranks),
                        [=](const CostModel &model, double scale) {
                          return model.collective(
                              {kind, scale * 8192, expansion, model.spec().firstDevices(ranks)});
                        }});
  for (LaunchMode mode : {LaunchMode::Eager, LaunchMode::KernelByKernel, LaunchMode::Graph})
    work.push_back({"launch", [=](const CostModel &model, double scale) {
                      return model.launch(uint64_t(scale), mode);
                    }});
  work.push_back(
      {"copy", [](const CostModel &model, double scale) { return model.copy(scale * 1000); }});
  work.push_back({"prefetch", [](const CostModel &model, double scale) {
                    return model.prefetch(scale * 1000);
                  }});
  return work;
}

const double scales[] = {1,   2,   3,    7,    15,   16,   17,   31,   33,   63,   64,   65,
                         100, 127, 128,  129,  200,  255,  256,  257,  300,  511,  512,  513,
                         777, 900, 1023, 1025, 2048, 3000, 4095, 5000, 8191, 8193, 16384};

/// Rounding may reorder sums.
bool isAtMost(double a, double b) {
  return a <= b * (1 + 1e-12);
}

const std::string_view specs[] = {"910b3", "910b-24core", "a3"};

TEST(CostProperties, MoreOfAResourceNeverTakesLonger) {
  using enum Constant;
  const Constant resources[] = {
      CubeFrequency,   CubeFlopsBFloat16,  CubeFlopsInt8,     VectorCores,       VectorFrequency,
      VectorFlops,     MemoryBandwidth,    L2Bandwidth,       L2Capacity,        CubeL0c,
      CubeShareFloat,  CubeShareInt8,      MemoryShareVector, HostLinkBandwidth, CardBandwidth,
      ServerBandwidth, SuperNodeBandwidth, ClusterBandwidth};
  for (std::string_view name : specs)
    for (const Work &work : allWork()) {
      const CostModel before(*findDeviceSpec(name));
      for (Constant resource : resources) {
        DeviceSpec spec = *findDeviceSpec(name);
        if (!spec.has(resource))
          continue;
        for (double *value : {&spec[resource].value, &spec[resource].low, &spec[resource].high})
          *value = resource == CubeShareFloat || resource == CubeShareInt8 ||
                           resource == MemoryShareVector
                       ? std::min(1.0, *value * 1.05)
                       : *value * 2;
        const CostModel after(spec);
        for (double scale : scales)
          EXPECT_TRUE(isAtMost(work.time(after, scale).us, work.time(before, scale).us))
              << name << ", " << work.name << " * " << scale << ": " << nameOf(resource);
      }
    }
}

TEST(CostProperties, MoreCoresNeverTakeLonger) {
  for (const Work &work : allWork())
    for (double scale : scales) {
      double before = std::numeric_limits<double>::infinity();
      for (int cores = 1; cores <= 40; ++cores) {
        DeviceSpec spec = *findDeviceSpec("910b3");
        spec[Constant::CubeCores].value = cores;
        const double us = work.time(CostModel(spec), scale).us;
        EXPECT_TRUE(isAtMost(us, before)) << work.name << " * " << scale << " on " << cores;
        before = us;
      }
    }
}

TEST(CostProperties, MoreWorkNeverTakesLess) {
  for (std::string_view name : specs) {
    const CostModel model(*findDeviceSpec(name));
    for (const Work &work : allWork()) {
      double before = 0;
      for (double scale : scales) {
        const double us = work.time(model, scale).us;
        EXPECT_TRUE(isAtMost(before, us)) << name << ", " << work.name << " * " << scale;
        before = us;
      }
    }
  }
}

TEST(CostProperties, RangesHoldTheirValue) {
  for (std::string_view name : specs) {
    const CostModel model(*findDeviceSpec(name));
    for (const Work &work : allWork())
      for (double scale : scales) {
        const OpTime time = work.time(model, scale);
        EXPECT_LE(0, time.p10) << work.name;
        EXPECT_LE(time.p10, time.us) << work.name;
        EXPECT_LE(time.us, time.p90) << work.name;
        EXPECT_LE(0, time.efficiency) << work.name;
        EXPECT_LE(time.efficiency, 1) << work.name << " * " << scale;
        EXPECT_FALSE(time.constant.empty()) << work.name;
      }
  }
}

TEST(CostProperties, WithoutRangesThereIsNoRange) {
  DeviceSpec spec = *findDeviceSpec("910b3");
  for (Quantity &quantity : spec.constants)
    quantity.low = quantity.high = quantity.value;
  const CostModel model(spec);
  for (const Work &work : allWork()) {
    const OpTime time = work.time(model, 100);
    EXPECT_EQ(time.p10, time.us) << work.name;
    EXPECT_EQ(time.p90, time.us) << work.name;
  }
}

TEST(CostProperties, SameBitsTwiceWithoutAllocation) {
  const CostModel &model = test::npu();
  for (const Work &work : allWork()) {
    const OpTime first = work.time(model, 100), second = work.time(CostModel(model.spec()), 100);
    EXPECT_EQ(first.us, second.us) << work.name;
    EXPECT_EQ(first.p10, second.p10) << work.name;
    EXPECT_EQ(first.p90, second.p90) << work.name;
  }
  StepRecord step;
  step.addSequence(1, 4000);
  step.addSequence(700, 0);
  const SymbolicCount rows = {VINCI_DIM_TOKENS, 1};
  const Cost costs[] = {
      {.rows = rows, .rowBytes = 8192, .rowFlops = 100},
      {.kind = CostClass::Matmul, .rows = rows, .n = 512, .k = 512, .fixedBytes = 1 << 19},
      {.kind = CostClass::GroupedMatmul,
       .rows = rows,
       .n = 512,
       .k = 512,
       .groups = 8,
       .experts = 8,
       .topK = 2,
       .fixedBytes = 1 << 22},
      {.kind = CostClass::Attention, .heads = 8, .kvHeads = 2, .headDim = 128},
      {.kind = CostClass::Collective, .rows = rows, .rowBytes = 8192}};
  const CommandContext context = {.group = model.spec().firstDevices(8)};
  const uint64_t before = test::allocationCount();
  double sum = 0;
  for (const Cost &cost : costs)
    sum += model.time(cost, step, context).us;
  EXPECT_EQ(test::allocationCount(), before);
  EXPECT_GT(sum, 0);
}

TEST(CostProperties, FewerWeightBytesNeverTakeLonger) {
  double before = 0, groupedBefore = 0;
  for (double bytes = 1e5; bytes < 1e9; bytes *= 1.3) {
    const double us =
        test::npu()
            .matmul({.rows = 300, .n = 4096, .k = 5120, .weightBytes = bytes}, LaunchMode::Graph)
            .us;
    const double grouped =
        test::npu()
            .groupedMatmul({.hit = 9, .rows = 300, .n = 4096, .k = 5120, .expertBytes = bytes},
                           LaunchMode::Graph)
            .us;
    EXPECT_TRUE(isAtMost(before, us)) << bytes;
    EXPECT_TRUE(isAtMost(groupedBefore, grouped)) << bytes;
    before = us;
    groupedBefore = grouped;
  }
}

TEST(CostProperties, PrefetchNeverMakesAMatmulSlower) {
  const double bytes = 13824 * 5120 * 2;
  double before = std::numeric_limits<double>::infinity();
  for (double share = 0; share <= 1; share += 0.1) {
    const double us = test::npu()
                          .matmul({.rows = 10,
                                   .n = 13824,
                                   .k = 5120,
                                   .weightBytes = bytes,
                                   .activationBytes = 1e5,
                                   .cachedBytes = share * bytes},
                                  LaunchMode::Graph)
                          .us;
    EXPECT_TRUE(isAtMost(us, before)) << share;
    before = us;
  }
}

} // namespace
} // namespace vinci
