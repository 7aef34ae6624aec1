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

/// buffers: a log (length first), a number. Appends the number.
void appendNumber(void *const *buffers, const uint64_t *, uint32_t) {
  auto *log = static_cast<int *>(buffers[0]);
  log[++log[0]] = *static_cast<const int *>(buffers[1]);
}

/// buffers: int64 counter. Adds tokens * 1000 + tile + 1.
void addTile(void *const *buffers, const uint64_t *dims, uint32_t tile) {
  *static_cast<int64_t *>(buffers[0]) += int64_t(dims[VINCI_DIM_TOKENS] * 1000 + tile + 1);
}

class Streams : public testing::Test {
protected:
  KernelLaunch append(int number) {
    numbers_[number] = number;
    operands_[number] = {log_, &numbers_[number]};
    return {appendNumber, operands_[number], {}, &dims_};
  }
  std::vector<int> log() const { return {log_ + 1, log_ + 1 + log_[0]}; }

  int log_[64] = {};
  int numbers_[16] = {};
  std::array<void *, 2> operands_[16] = {};
  StepDims dims_;
  SequentialRunner runner_;
  SimulatedMachine machine_{{{"npu0", 1 << 20}, {"npu1", 1 << 20}}, runner_};
  Device &device_ = machine_.device(0);
  std::unique_ptr<Stream> a_ = device_.createStream(), b_ = device_.createStream();
};

TEST_F(Streams, RunInOrderAndOnlyWhenSynchronized) {
  a_->launch(append(1));
  a_->launch(append(2));
  EXPECT_EQ(log(), std::vector<int>{});
  a_->synchronize();
  EXPECT_EQ(log(), (std::vector{1, 2}));
  a_->synchronize();
  EXPECT_EQ(log(), (std::vector{1, 2})) << "nothing is queued any more";
}

TEST_F(Streams, TilesFollowTheDimensionsAtRunTime) {
  int64_t counter = 0;
  void *buffers[] = {&counter};
  a_->launch({addTile, buffers, {VINCI_DIM_TOKENS, 2, 4, 3}, &dims_});
  dims_[VINCI_DIM_TOKENS] = 5; // ceil(10 / 4) * 3 = 9 tiles
  a_->synchronize();
  EXPECT_EQ(counter, 9 * 5000 + 45);
}

TEST_F(Streams, NoTilesAtZeroRows) {
  int64_t counter = 0;
  void *buffers[] = {&counter};
  a_->launch({addTile, buffers, {VINCI_DIM_LOGIT_ROWS, 1, 1, 1}, &dims_});
  a_->synchronize();
  EXPECT_EQ(counter, 0);
}

TEST_F(Streams, EventOrdersOneStreamAfterAnother) {
  auto event = device_.createEvent();
  EXPECT_TRUE(event->done());
  a_->launch(append(1));
  a_->record(*event);
  EXPECT_FALSE(event->done());
  a_->launch(append(2));
  b_->wait(*event);
  b_->launch(append(3));
  b_->synchronize();
  EXPECT_TRUE(event->done());
  EXPECT_EQ(log().size(), 3u);
  b_->wait(*event); // long past: no constraint
  b_->launch(append(4));
  b_->synchronize();
  EXPECT_EQ(log().back(), 4);
}

/// Keeps the shape of the lists it is given instead of running them.
class RecordingRunner final : public CommandRunner {
public:
  void run(std::span<CommandList *const> lists) override {
    for (CommandList *list : lists) {
      waits.emplace_back();
      after.emplace_back();
      for (size_t i = 0; i < list->size(); ++i) {
        auto of = list->waits(list->command(i));
        waits.back().emplace_back(of.begin(), of.end());
        after.back().push_back(list->command(i).after);
      }
    }
  }
  std::vector<std::vector<std::vector<uint32_t>>> waits;
  std::vector<std::vector<uint32_t>> after;
};

TEST_F(Streams, DependenciesAreExactlyStreamOrderAndEvents) {
  RecordingRunner recorder;
  SimulatedMachine machine({{"npu0", 1 << 20}}, recorder);
  auto a = machine.device(0).createStream(), b = machine.device(0).createStream();
  auto event = machine.device(0).createEvent();
  a->launch(append(0));
  b->launch(append(1));
  a->launch(append(2));
  a->record(*event);
  a->launch(append(3));
  b->wait(*event);
  b->launch(append(4));
  b->synchronize();
  using Waits = std::vector<std::vector<uint32_t>>;
  ASSERT_EQ(recorder.waits.size(), 1u);
  EXPECT_EQ(recorder.waits[0], (Waits{{}, {}, {0}, {2}, {1, 2}}));
}

TEST_F(Streams, AGraphIsRunEachTimeItIsLaunched) {
  a_->beginCapture();
  a_->launch(append(1));
  a_->launch(append(2));
  auto graph = a_->endCapture();
  EXPECT_EQ(graph->commandCount(), 2u);
  a_->synchronize();
  EXPECT_EQ(log(), std::vector<int>{}) << "captured, not run";
  a_->launch(*graph);
  a_->synchronize();
  a_->launch(append(3));
  a_->launch(*graph);
  a_->launch(*graph);
  a_->launch(append(4));
  a_->synchronize();
  EXPECT_EQ(log(), (std::vector{1, 2, 3, 1, 2, 1, 2, 4}));
}

TEST_F(Streams, AGraphIsOrderedAgainstItsStream) {
  RecordingRunner recorder;
  SimulatedMachine machine({{"npu0", 1 << 20}}, recorder);
  auto a = machine.device(0).createStream();
  CommandList list;
  list.add(append(1));
  list.add(append(2));
  auto graph = machine.device(0).createGraph(std::move(list));
  a->launch(*graph);
  a->launch(append(0));
  a->launch(*graph);
  a->synchronize();
  EXPECT_EQ(recorder.after[0], (std::vector<uint32_t>{0, 0, 2, 3, 3}));
}

TEST_F(Streams, OtherStreamsJoinACaptureThroughEvents) {
  RecordingRunner recorder;
  SimulatedMachine machine({{"npu0", 1 << 20}}, recorder);
  auto a = machine.device(0).createStream(), b = machine.device(0).createStream();
  auto fork = machine.device(0).createEvent(), join = machine.device(0).createEvent();
  a->beginCapture();
  a->launch(append(0));
  a->record(*fork);
  b->wait(*fork);
  b->launch(append(1));
  b->record(*join);
  a->launch(append(2));
  a->wait(*join);
  a->launch(append(3));
  auto graph = a->endCapture();
  EXPECT_EQ(graph->commandCount(), 4u);
  b->launch(append(4)); // no longer captured
  b->synchronize();
  a->launch(*graph);
  a->synchronize();
  using Waits = std::vector<std::vector<uint32_t>>;
  ASSERT_EQ(recorder.waits.size(), 2u);
  EXPECT_EQ(recorder.waits[0], (Waits{{}}));
  EXPECT_EQ(recorder.waits[1], (Waits{{}, {0}, {0}, {2, 1}}));
}

TEST_F(Streams, ExplicitGraphRefusesForwardDependencies) {
  CommandList list;
  list.add(append(1));
  std::vector<uint32_t> waits = {1};
  EXPECT_EQ(messageOf([&] { list.add(append(2), waits); }),
            "command 1 waits for command 1; a command can only wait for earlier ones");
}

TEST_F(Streams, MisuseIsNamed) {
  auto other = machine_.device(1).createStream();
  auto foreign = machine_.device(1).createEvent();
  EXPECT_EQ(messageOf([&] { a_->wait(*foreign); }),
            "the event belongs to another device than the stream, npu0");
  auto graph = machine_.device(1).createGraph({});
  EXPECT_EQ(messageOf([&] { a_->launch(*graph); }),
            "the graph belongs to another device than the stream, npu0");
  EXPECT_EQ(messageOf([&] { a_->endCapture(); }),
            "endCapture on a stream that did not begin a capture");
  auto outside = device_.createEvent();
  b_->launch(append(1));
  b_->record(*outside);
  a_->beginCapture();
  EXPECT_EQ(messageOf([&] { b_->beginCapture(); }), "npu0 is already capturing a graph");
  EXPECT_EQ(messageOf([&] { b_->endCapture(); }),
            "endCapture on a stream that did not begin a capture");
  EXPECT_EQ(messageOf([&] { a_->synchronize(); }),
            "a stream under capture cannot be synchronized; end the capture first");
  EXPECT_EQ(
      messageOf([&] { a_->wait(*outside); }),
      "a stream under capture cannot wait for an event that was recorded outside the capture");
}

} // namespace
} // namespace vinci
