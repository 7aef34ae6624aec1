// Collectives, launches, copies and prefetches.
#include "runtime/support/error.h"
#include "tests/unit/device/cost_test.h"

namespace vinci {
namespace {

using namespace test;

double allReduce(const DeviceSpec &spec, double bytes, uint32_t ranks, Expansion expansion) {
  return CostModel(spec)
      .collective({CollectiveKind::AllReduce, bytes, expansion, spec.firstDevices(ranks)})
      .us;
}

TEST(CostCollective, AllReduceMeasurements) {
  const DeviceSpec &spec = *findDeviceSpec("910b3");
  // A decode step's messages: 43; 41 to 46; 44 to 63 us.
  EXPECT_TRUE(isWithin(allReduce(spec, 8192, 2, Expansion::Host), 43, 0.02));
  EXPECT_TRUE(isWithin(allReduce(spec, 8192, 4, Expansion::Host), 43.5, 0.06));
  EXPECT_TRUE(isWithin(allReduce(spec, 131072, 8, Expansion::Host), 53.5, 0.18));
  // alpha + 2 S / (n * 17.5 GB/s)
  EXPECT_NEAR(allReduce(spec, 102400, 4, Expansion::Host), 44 + 2 * 102.4 / 4 / 17.5, 1e-9);
  EXPECT_NEAR(allReduce(spec, 262144, 8, Expansion::Aiv), 25 + 2 * 262.144 / 8 / 17.5, 1e-9);
  // 125 GB/s on the bus of eight: 2 * 7/8 * S / t.
  const double large = 1 << 30;
  EXPECT_TRUE(
      isWithin(2 * 7 / 8.0 * large / allReduce(spec, large, 8, Expansion::Host) / 1e3, 125, 0.03));
}

TEST(CostCollective, OthersMoveWhatTheirPhasesMove) {
  const CostModel &model = npu();
  const auto time = [&](CollectiveKind kind, double bytes) {
    return model.collective({kind, bytes, Expansion::Host, model.spec().firstDevices(8)}).us;
  };
  const double bytes = 1 << 20;
  EXPECT_NEAR(time(CollectiveKind::AllGather, bytes), time(CollectiveKind::AllReduce, bytes) / 2,
              1e-9);
  EXPECT_EQ(time(CollectiveKind::ReduceScatter, bytes), time(CollectiveKind::AllGather, bytes));
  EXPECT_EQ(time(CollectiveKind::AllToAll, bytes), time(CollectiveKind::AllGather, bytes));
  EXPECT_EQ(time(CollectiveKind::Broadcast, bytes), time(CollectiveKind::AllReduce, bytes));
}

TEST(CostCollective, SlowestLevelDecidesAndLatenciesAdd) {
  const DeviceSpec &a3 = *findDeviceSpec("a3");
  EXPECT_EQ(a3.firstDevices(2).perLevel, (std::array<uint32_t, 4>{2, 1, 1, 1}));
  EXPECT_EQ(a3.firstDevices(16).perLevel, (std::array<uint32_t, 4>{2, 8, 1, 1}));
  const uint32_t oneOfEachCard[] = {0, 2, 4, 6}, twoServers[] = {0, 1, 16, 17};
  EXPECT_EQ(a3.groupOf(oneOfEachCard).perLevel, (std::array<uint32_t, 4>{1, 4, 1, 1}));
  EXPECT_EQ(a3.groupOf(twoServers).perLevel, (std::array<uint32_t, 4>{2, 1, 2, 1}));

  // 16 dies: half goes over the card's own link, and the switch takes as long for its part. Alpha
  // grows from 8 ranks to 16 as it did from 4 to 8.
  const double bytes = 64e6;
  const double card = 2 * bytes / 2 / (224e3 * 0.7);
  EXPECT_NEAR(allReduce(a3, bytes, 16, Expansion::Aiv), 26 + 2 * (0.2 + 0.5) + card, 1e-6);
  const double host = 2 * bytes / 2 * 1 / 2 / (24.5e3 * 0.9);
  const uint32_t apart[] = {0, 1, 768, 769};
  EXPECT_NEAR(CostModel(a3)
                  .collective({CollectiveKind::AllReduce, bytes, Expansion::Aiv, a3.groupOf(apart)})
                  .us,
              18 + 2 * (0.2 + 10) + host, 1e-6);
}

TEST(CostCollective, RingPassesThroughAllBetween) {
  // Cards of the 300I Duo: 4 chips are two cards, whose link carries what the chips left.
  const DeviceSpec &duo = *findDeviceSpec("310p3");
  const double bytes = 1e6;
  const double card = 2 * bytes / 2 / 16e3;
  EXPECT_NEAR(allReduce(duo, bytes, 4, Expansion::Host), 115 + 2 * 7 + 2 * 7 + card, 1e-6);
  const uint32_t cards[] = {0, 2, 4, 6};
  const double ring = 2 * bytes / 4 * 3 / (32e3 * 0.45);
  EXPECT_NEAR(
      CostModel(duo)
          .collective({CollectiveKind::AllReduce, bytes, Expansion::Host, duo.groupOf(cards)})
          .us,
      115 + 2 * 3 * 7 + ring, 1e-6);
}

TEST(CostCollective, NamesWhatBoundsIt) {
  const CostModel &model = npu();
  const GroupShape four = model.spec().firstDevices(4);
  const OpTime small = model.collective({CollectiveKind::AllReduce, 1024, Expansion::Aiv, four});
  EXPECT_EQ(small.constant, "collective.aiv.ranks_4");
  EXPECT_EQ(toString(small.tag), "estimate");
  const OpTime large = model.collective({CollectiveKind::AllReduce, 1e9, Expansion::Aiv, four});
  EXPECT_EQ(large.constant, "topology.server.share");
  EXPECT_EQ(toString(large.bound), "link");
  EXPECT_NEAR(large.efficiency, 0.625, 1e-3);
  EXPECT_EQ(model.collective({CollectiveKind::AllReduce, 1e9, Expansion::Aiv, {}}).us, 0);
}

std::string messageOf(auto &&action) {
  try {
    action();
  } catch (const Error &error) {
    return error.message();
  }
  return "no error";
}

TEST(CostCollective, RefusesWhatTheDeviceLacks) {
  const DeviceSpec &duo = *findDeviceSpec("310p3");
  EXPECT_EQ(messageOf([&] { allReduce(duo, 1, 2, Expansion::Aiv); }),
            "310p3 has no collectives on vector cores (AIV); HOST or AI_CPU is legal");
  EXPECT_EQ(messageOf([&] { duo.firstDevices(17); }),
            "310p3 joins 16 devices at most; a group has devices 0 and 16");
  DeviceSpec hostOnly = duo;
  for (Constant ranks : {Constant::CollectiveAiCpuRanks2, Constant::CollectiveAiCpuRanks4,
                         Constant::CollectiveAiCpuRanks8})
    hostOnly[ranks] = {};
  EXPECT_EQ(messageOf([&] { allReduce(hostOnly, 1, 2, Expansion::AiCpu); }),
            "310p3 has no collectives on the device's CPU (AI_CPU); HOST is legal");
}

TEST(CostLaunch, ByMode) {
  EXPECT_NEAR(npu().launch(1000, LaunchMode::Eager).us, 30000, 1e-9);
  EXPECT_NEAR(npu().launch(1000, LaunchMode::KernelByKernel).us, 50000, 1e-9);
  EXPECT_NEAR(npu().launch(1000, LaunchMode::Graph).us, 1200, 1e-9);
  EXPECT_EQ(npu().launch(1000, LaunchMode::Graph).constant, "launch.graph");
  EXPECT_EQ(npu().launch(10, LaunchMode::Graph).constant, "launch.graph_start");
  EXPECT_EQ(toString(npu().launch(10, LaunchMode::Eager).bound), "host");
}

TEST(CostCopy, LatencyAndLink) {
  EXPECT_NEAR(npu().copy(22.4e6).us, 10 + 1000, 1e-9);
  EXPECT_EQ(npu().copy(4).constant, "host_link.latency");
  EXPECT_EQ(npu().copy(22.4e6).constant, "host_link.share");
}

TEST(CostPrefetch, IsBoundedByShareRoomAndTime) {
  const double mib = 1024 * 1024;
  EXPECT_NEAR(npu().prefetchedBytes(20e6, 0.7, 0, 1000), 14e6, 1e-6);
  EXPECT_NEAR(npu().prefetchedBytes(1e9, 1, 100 * mib, 1e6), 44 * mib, 1e-6);
  EXPECT_EQ(npu().prefetchedBytes(1e9, 1, 200 * mib, 1e6), 0);
  EXPECT_NEAR(npu().prefetchedBytes(20e6, 1, 0, 5), 6.4e6, 1e-6);
  EXPECT_NEAR(npu().prefetch(6.4e6).us, 5, 1e-9);
}

} // namespace
} // namespace vinci
