#include "runtime/device/collective.h"
#include "runtime/device/communicator.h"
#include "runtime/device/sequential_runner.h"
#include "runtime/device/simulated_device.h"
#include "runtime/support/error.h"
#include "runtime/support/half.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

constexpr uint32_t ranks = 3;

class Collectives : public testing::Test {
protected:
  Collectives() {
    for (uint32_t rank = 0; rank < ranks; ++rank)
      streams_.push_back(machine_.device(rank).createStream());
  }
  CollectiveCount count(uint64_t elements, DType dtype = DType::Float32) const {
    return {{VINCI_DIM_ONE, elements}, dtype, &dims_};
  }
  /// Issues `issue(rank)` on every rank and runs it.
  void onAllRanks(auto &&issue) {
    for (uint32_t rank = 0; rank < ranks; ++rank)
      issue(rank);
    machine_.synchronize();
  }
  std::string messageOfRun() {
    try {
      machine_.synchronize();
    } catch (const Error &error) {
      return error.message();
    }
    return "no error";
  }

  StepDims dims_;
  SequentialRunner runner_;
  SimulatedMachine machine_{{{"npu0", 4096}, {"npu1", 4096}, {"npu2", 4096}}, runner_};
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Communicator>> comms_ = createCommunicators(ranks);
  using Floats = std::vector<float>;
};

TEST_F(Collectives, AllReduceSumsInRankOrder) {
  // (1e8 + 1) + -1e8 is 0 in float32; any other order of the three would give 1.
  Floats data[ranks] = {{1e8f, 1}, {1, 2}, {-1e8f, 3}};
  onAllRanks([&](uint32_t r) {
    comms_[r]->allReduce(data[r].data(), data[r].data(), count(2), *streams_[r]);
  });
  for (const Floats &result : data)
    EXPECT_EQ(result, (Floats{0, 6}));
}

TEST_F(Collectives, SixteenBitSumsRoundOnce) {
  // 256 + 1 + 1 = 258; rounding to bfloat16 after each addition would give 256.
  uint16_t half[ranks] = {bfloat16OfFloat(256), bfloat16OfFloat(1), bfloat16OfFloat(1)};
  uint16_t sums[ranks];
  onAllRanks([&](uint32_t r) {
    comms_[r]->allReduce(&half[r], &sums[r], count(1, DType::BFloat16), *streams_[r]);
  });
  for (uint16_t sum : sums)
    EXPECT_EQ(floatOfBFloat16(sum), 258.0f);
  uint16_t half16[ranks] = {float16OfFloat(2048), float16OfFloat(1), float16OfFloat(1)};
  onAllRanks([&](uint32_t r) {
    comms_[r]->allReduce(&half16[r], &sums[r], count(1, DType::Float16), *streams_[r]);
  });
  EXPECT_EQ(floatOfFloat16(sums[2]), 2050.0f);
}

TEST_F(Collectives, Int32SumsWrap) {
  int32_t data[ranks] = {INT32_MAX, 1, 5};
  onAllRanks([&](uint32_t r) {
    comms_[r]->allReduce(&data[r], &data[r], count(1, DType::Int32), *streams_[r]);
  });
  EXPECT_EQ(data[1], INT32_MIN + 5);
}

TEST_F(Collectives, CountFollowsTheStep) {
  Floats data[ranks] = {{1, 1}, {1, 1}, {1, 1}};
  for (uint32_t r = 0; r < ranks; ++r)
    comms_[r]->allReduce(data[r].data(), data[r].data(),
                         {{VINCI_DIM_TOKENS, 1}, DType::Float32, &dims_}, *streams_[r]);
  dims_[VINCI_DIM_TOKENS] = 1;
  machine_.synchronize();
  EXPECT_EQ(data[2], (Floats{3, 1}));
}

TEST_F(Collectives, AllGatherAlsoInPlace) {
  Floats data[ranks], own[ranks];
  for (uint32_t r = 0; r < ranks; ++r) {
    data[r].resize(6);
    own[r] = {float(r), float(10 * r)};
    data[r][2 * r] = float(100 + r);
    data[r][2 * r + 1] = float(200 + r);
  }
  onAllRanks([&](uint32_t r) {
    comms_[r]->allGather(&data[r][2 * r], data[r].data(), count(2), *streams_[r]);
  });
  for (const Floats &result : data)
    EXPECT_EQ(result, (Floats{100, 200, 101, 201, 102, 202}));
  onAllRanks([&](uint32_t r) {
    comms_[r]->allGather(own[r].data(), data[r].data(), count(2), *streams_[r]);
  });
  EXPECT_EQ(data[1], (Floats{0, 0, 1, 10, 2, 20}));
}

TEST_F(Collectives, ReduceScatterAlsoInPlace) {
  Floats data[ranks] = {{1, 2, 3}, {10, 20, 30}, {100, 200, 300}};
  Floats out(ranks);
  onAllRanks([&](uint32_t r) {
    comms_[r]->reduceScatter(data[r].data(), &out[r], count(1), *streams_[r]);
  });
  EXPECT_EQ(out, (Floats{111, 222, 333}));
  onAllRanks([&](uint32_t r) {
    comms_[r]->reduceScatter(data[r].data(), &data[r][r], count(1), *streams_[r]);
  });
  EXPECT_EQ(data[1][1], 222);
  EXPECT_EQ(data[2][2], 333);
}

/// Elements of a step, divided among three ranks, and what a rank finds where 7 was: beyond the end
/// nothing is written, and nothing of it is read.
struct Share {
  uint64_t tokens;
  std::vector<float> gathered;
  std::vector<float> scattered[ranks];
};

class Shares : public Collectives, public testing::WithParamInterface<Share> {
protected:
  CollectiveCount shares() const {
    return {{VINCI_DIM_TOKEN_SHARES, 1}, DType::Float32, &dims_, {VINCI_DIM_TOKENS, 1}};
  }
  void SetUp() override {
    dims_[VINCI_DIM_TOKENS] = GetParam().tokens;
    dims_[VINCI_DIM_TOKEN_SHARES] = (GetParam().tokens + ranks - 1) / ranks;
  }
};

TEST_P(Shares, OfTheLastRanksMayBeShortOrEmpty) {
  Floats own[ranks] = {{0, 1}, {10, 11}, {20, 21}}, gathered[ranks], sum[ranks];
  Floats all[ranks] = {
      {1, 2, 3, 4, 5, 6}, {10, 20, 30, 40, 50, 60}, {100, 200, 300, 400, 500, 600}};
  onAllRanks([&](uint32_t r) {
    gathered[r].assign(6, 7);
    comms_[r]->allGather(own[r].data(), gathered[r].data(), shares(), *streams_[r]);
  });
  onAllRanks([&](uint32_t r) {
    sum[r].assign(2, 7);
    comms_[r]->reduceScatter(all[r].data(), sum[r].data(), shares(), *streams_[r]);
  });
  for (uint32_t r = 0; r < ranks; ++r) {
    EXPECT_EQ(gathered[r], GetParam().gathered);
    EXPECT_EQ(sum[r], GetParam().scattered[r]);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tokens, Shares,
    testing::Values(Share{6, {0, 1, 10, 11, 20, 21}, {{111, 222}, {333, 444}, {555, 666}}},
                    Share{5, {0, 1, 10, 11, 20, 7}, {{111, 222}, {333, 444}, {555, 7}}},
                    Share{4, {0, 1, 10, 11, 7, 7}, {{111, 222}, {333, 444}, {7, 7}}},
                    Share{1, {0, 7, 7, 7, 7, 7}, {{111, 7}, {7, 7}, {7, 7}}},
                    Share{0, {7, 7, 7, 7, 7, 7}, {{7, 7}, {7, 7}, {7, 7}}}));

TEST_F(Collectives, BroadcastTakesTheRootsData) {
  Floats data[ranks] = {{1, 2}, {3, 4}, {5, 6}};
  onAllRanks([&](uint32_t r) {
    comms_[r]->broadcast(data[r].data(), data[r].data(), count(2), 1, *streams_[r]);
  });
  EXPECT_EQ(data[0], (Floats{3, 4}));
  EXPECT_EQ(data[2], (Floats{3, 4}));
}

TEST_F(Collectives, AllToAllTransposes) {
  Floats data[ranks] = {{0, 1, 2}, {10, 11, 12}, {20, 21, 22}};
  Floats out[ranks] = {Floats(3), Floats(3), Floats(3)};
  onAllRanks([&](uint32_t r) {
    comms_[r]->allToAll(data[r].data(), out[r].data(), count(1), *streams_[r]);
  });
  EXPECT_EQ(out[0], (Floats{0, 10, 20}));
  EXPECT_EQ(out[2], (Floats{2, 12, 22}));
}

TEST_F(Collectives, SharesTogetherAreTheWhole) {
  constexpr uint64_t elements = 5000; // not a multiple of what shares are cut at
  for (CollectiveKind kind :
       {CollectiveKind::AllReduce, CollectiveKind::AllGather, CollectiveKind::ReduceScatter,
        CollectiveKind::Broadcast, CollectiveKind::AllToAll})
    for (DType dtype : {DType::Float32, DType::BFloat16, DType::Float16, DType::Int32})
      for (uint64_t whole : {uint64_t(0), 2 * elements + 77}) {
        if (whole && kind != CollectiveKind::AllGather && kind != CollectiveKind::ReduceScatter)
          continue;
        const uint64_t bytes = elements * byteSize(dtype);
        const auto perform = [&](uint32_t shares) {
          std::vector<std::byte> sent[ranks], received[ranks];
          CollectiveCall calls[ranks];
          std::vector<const CollectiveCall *> pointers;
          for (uint32_t r = 0; r < ranks; ++r) {
            sent[r].resize(bytes * ranks);
            received[r].resize(bytes * ranks);
            for (size_t i = 0; i < sent[r].size(); ++i)
              sent[r][i] = std::byte((i * 7 + i / 256 * 13 + r * 29) % 61); // no infinities
            calls[r] = {nullptr,
                        r,
                        kind,
                        sent[r].data(),
                        received[r].data(),
                        {VINCI_DIM_ONE, elements},
                        {VINCI_DIM_ONE, whole},
                        dtype,
                        1,
                        &dims_};
            pointers.push_back(&calls[r]);
          }
          for (uint32_t share = shares; share-- > 0;)
            performCollective(pointers, share, shares);
          return std::vector(received, received + ranks);
        };
        const auto expected = perform(1);
        EXPECT_NE(expected[0], std::vector<std::byte>(bytes * ranks)) << toString(kind);
        for (uint32_t shares : {2, 3, 7, 1000})
          EXPECT_EQ(perform(shares), expected) << toString(kind) << " in " << shares;
      }
}

TEST_F(Collectives, WorkInGraphs) {
  Floats data[ranks] = {{1}, {2}, {3}};
  std::vector<std::unique_ptr<Graph>> graphs;
  for (uint32_t r = 0; r < ranks; ++r) {
    streams_[r]->beginCapture();
    for (int i = 0; i < 2; ++i)
      comms_[r]->allReduce(data[r].data(), data[r].data(), count(1), *streams_[r]);
    graphs.push_back(streams_[r]->endCapture());
  }
  for (int step = 0; step < 2; ++step)
    onAllRanks([&](uint32_t r) { streams_[r]->launch(*graphs[r]); });
  EXPECT_EQ(data[0], (Floats{6 * 3 * 3 * 3}));
}

TEST_F(Collectives, ACommunicatorKeepsItsOrderAcrossStreams) {
  auto second = machine_.device(0).createStream();
  Floats data[ranks] = {{1}, {2}, {3}}, more[ranks] = {{10}, {20}, {30}};
  comms_[0]->allReduce(data[0].data(), data[0].data(), count(1), *streams_[0]);
  comms_[0]->allReduce(more[0].data(), more[0].data(), count(1), *second);
  for (uint32_t r = 1; r < ranks; ++r) {
    comms_[r]->allReduce(data[r].data(), data[r].data(), count(1), *streams_[r]);
    comms_[r]->allReduce(more[r].data(), more[r].data(), count(1), *streams_[r]);
  }
  machine_.synchronize();
  EXPECT_EQ(data[0], Floats{6});
  EXPECT_EQ(more[0], Floats{60});
}

TEST_F(Collectives, RanksThatDisagreeAreNamed) {
  float data[ranks] = {};
  comms_[0]->allReduce(&data[0], &data[0], count(1), *streams_[0]);
  comms_[1]->allReduce(&data[1], &data[1], count(1), *streams_[1]);
  comms_[2]->broadcast(&data[2], &data[2], count(1), 2, *streams_[2]);
  EXPECT_EQ(messageOfRun(),
            "rank 0 calls all_reduce of 1 float32 (root 0) while rank 2 calls broadcast of 1 "
            "float32 (root 2); all ranks must call the same");
  comms_[0]->allReduce(&data[0], &data[0], count(1), *streams_[0]);
  EXPECT_EQ(messageOfRun(),
            "all_reduce on a communicator whose ranks went out of step in an earlier operation");
}

TEST_F(Collectives, AMissingRankIsAnErrorAndNotAHang) {
  float data[ranks] = {};
  comms_[0]->allReduce(&data[0], &data[0], count(1), *streams_[0]);
  comms_[2]->allReduce(&data[2], &data[2], count(1), *streams_[2]);
  EXPECT_EQ(messageOfRun(),
            "rank 0 waits in all_reduce for ranks that never come: all 3 ranks must issue it");
  EXPECT_EQ(messageOfRun(), "no error") << "what was queued is dropped";
}

TEST_F(Collectives, ImpossibleCallsAreRefused) {
  auto messageOf = [](auto &&action) -> std::string {
    try {
      action();
    } catch (const Error &error) {
      return error.message();
    }
    return "no error";
  };
  float data[ranks] = {};
  EXPECT_EQ(messageOf([&] { comms_[0]->broadcast(data, data, count(1), 3, *streams_[0]); }),
            "broadcast from rank 3, but there are only 3 ranks");
  EXPECT_EQ(messageOf([&] { comms_[0]->allToAll(data, data, count(1), *streams_[0]); }),
            "all_to_all cannot work in place: send and receive are the same buffer");
  EXPECT_EQ(
      messageOf([&] { comms_[0]->allReduce(data, data, count(1, DType::Int8), *streams_[0]); }),
      "all_reduce of int8 is not possible; legal: float32, bfloat16, float16, int32");
  EXPECT_EQ(messageOf([] { createCommunicators(0); }),
            "a communicator of 0 ranks; legal: 1 or more");
  EXPECT_EQ(comms_[1]->rank(), 1u);
  EXPECT_EQ(comms_[1]->worldSize(), ranks);
}

} // namespace
} // namespace vinci
