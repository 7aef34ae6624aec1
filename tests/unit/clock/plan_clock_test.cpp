#include "runtime/clock/plan_clock.h"

#include "runtime/clock/plan_step_timer.h"
#include "runtime/support/error.h"
#include "tests/unit/plan/sample_plan.h"

#include <gtest/gtest.h>

#include <cmath>

namespace vinci {
namespace {

const CostModel &npu() {
  static const CostModel model(*findDeviceSpec("910b3"));
  return model;
}

/// The sample plan after `edit`.
template <typename Edit> Plan planWith(Edit edit) {
  fb::PlanT tables = sample::plan();
  edit(tables);
  return Plan::parse(serializePlan(tables, sample::segments()), "sample.plan");
}

Plan samplePlan() {
  return planWith([](fb::PlanT &) {});
}

Plan rankedPlan(uint32_t ranks) {
  fb::PlanT tables = sample::rankedPlan({ranks});
  return Plan::parse(serializePlan(tables, sample::segments()), "ranks.plan");
}

StepRecord decodeOf(uint32_t sequences, LaunchMode mode = LaunchMode::Graph) {
  StepRecord step;
  step.mode = mode;
  for (uint32_t i = 0; i < sequences; ++i)
    step.addSequence(1, 10);
  return step;
}

double sum(const std::vector<CommandTime> &commands) {
  double us = 0;
  for (const CommandTime &command : commands)
    us += command.time.us * double(command.calls);
  return us;
}

uint64_t launches(const std::vector<CommandTime> &commands) {
  uint64_t count = 0;
  for (const CommandTime &command : commands)
    count += command.calls;
  return count;
}

TEST(PlanClock, AStepOnOneStreamIsItsCommands) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  const StepTimes times = clock.time(EntryKind::Decode, decodeOf(2));
  const std::vector<CommandTime> commands = clock.commands(EntryKind::Decode, decodeOf(2));
  EXPECT_GT(times.deviceUs, 0);
  EXPECT_NEAR(times.deviceUs, sum(commands), 1e-9 * times.deviceUs);
  EXPECT_EQ(times.launches, launches(commands));
  EXPECT_LT(times.deviceP10, times.deviceUs);
  EXPECT_GT(times.deviceP90, times.deviceUs);
}

TEST(PlanClock, ABodyCountsAsOftenAsItIsCalled) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  for (const CommandTime &command : clock.commands(EntryKind::Decode, decodeOf(1)))
    EXPECT_EQ(command.calls,
              command.body->name()->string_view() == "decoder_layer" ? sample::layers : 1u)
        << command.body->name()->str();
}

TEST(PlanClock, CommandsOfTwoStreamsOverlapUnlessOneWaits) {
  const auto timeWith = [](auto edit) {
    const Plan plan = planWith(edit);
    return PlanClock(plan, npu()).time(EntryKind::Decode, decodeOf(1)).deviceUs;
  };
  const double one = timeWith([](fb::PlanT &) {});
  const auto onOwnStream = [](fb::PlanT &plan, uint32_t command, uint32_t stream) {
    const fb::Command old = plan.bodies[sample::Layer]->commands[command];
    plan.bodies[sample::Layer]->commands[command] =
        fb::Command(old.kernel(), old.operand_first(), old.operand_count(), old.wait_first(),
                    old.wait_count(), stream, old.tiles());
  };
  // Keys and values are projected beside each other; the norm comes before everything.
  const double beside = timeWith([&](fb::PlanT &plan) { onOwnStream(plan, sample::ProjectV, 1); });
  const double before = timeWith([&](fb::PlanT &plan) { onOwnStream(plan, sample::Norm, 1); });
  EXPECT_LT(beside, one);
  EXPECT_NEAR(before, one, 1e-9 * one);
}

TEST(PlanClock, TheTraceIsTheStep) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  double busy = 0, last = 0, previous = 0;
  uint64_t count = 0;
  clock.trace(EntryKind::Prefill, decodeOf(3),
              [&](const fb::Kernel &, int32_t, uint32_t stream, double start, double end) {
                EXPECT_EQ(stream, 0u);
                EXPECT_GE(start, previous - 1e-9); // time is conserved on a stream
                busy += end - start;
                previous = last = end;
                ++count;
              });
  const StepTimes times = clock.time(EntryKind::Prefill, decodeOf(3));
  EXPECT_NEAR(last, times.deviceUs, 1e-9 * last);
  EXPECT_NEAR(busy, times.deviceUs, 1e-9 * last);
  EXPECT_EQ(count, times.launches);
}

TEST(PlanClock, TheHostLaunchesByTheMode) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  const StepTimes eager = clock.time(EntryKind::Decode, decodeOf(1, LaunchMode::Eager));
  const StepTimes graph = clock.time(EntryKind::Decode, decodeOf(1, LaunchMode::Graph));
  EXPECT_EQ(eager.hostUs, npu().launch(eager.launches, LaunchMode::Eager).us);
  EXPECT_GT(eager.hostUs, eager.deviceUs); // tiny kernels: the device waits
  EXPECT_EQ(eager.us(), eager.hostUs);
  EXPECT_LT(graph.hostUs, eager.hostUs);
}

TEST(PlanClock, CollectivesTakeTheirEnginesTime) {
  const Plan plan = rankedPlan(2);
  const auto timeWith = [&](Expansion expansion) {
    return PlanClock(plan, npu(), {.expansion = expansion, .devices = {}})
        .time(EntryKind::Decode, decodeOf(1))
        .deviceUs;
  };
  EXPECT_LT(timeWith(Expansion::Aiv), timeWith(Expansion::Host));
}

TEST(PlanClock, RanksNeedDevices) {
  const Plan plan = rankedPlan(2);
  try {
    PlanClock(plan, npu(), {.devices = {0}});
    FAIL() << "was accepted";
  } catch (const Error &error) {
    EXPECT_EQ(error.message(), "1 devices are named for a plan of 2 ranks");
  }
}

TEST(PlanClock, APlanWithoutCostsIsRefused) {
  const Plan plan = planWith([](fb::PlanT &tables) { tables.kernels[0]->cost = nullptr; });
  try {
    PlanClock(plan, npu());
    FAIL() << "was accepted";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("embedding_bfloat16 carries no cost"),
              std::string::npos)
        << error.what();
  }
}

TEST(PlanStepTimer, TellsWhatIsCaptured) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  PlanStepTimer timer(clock, {.largestGraph = 2, .idleUs = 3, .prefillLaunchUs = 1000});
  const auto decode = [&](size_t sequences) {
    const std::vector<uint32_t> contexts(sequences, 11);
    return timer.time({.mode = StepMode::Decode, .prefills = {}, .decodeContexts = contexts});
  };
  const StepTimes captured = clock.time(EntryKind::Decode, decodeOf(2));
  EXPECT_EQ(decode(2).deviceNs, std::llround((captured.deviceUs + 3) * 1e3));
  EXPECT_EQ(decode(2).hostNs, std::llround(captured.hostUs * 1e3));
  // One more than the largest graph: launched kernel by kernel.
  EXPECT_GT(decode(3).hostNs, 2 * decode(2).hostNs);

  const std::vector<StepShape::Part> prompt = {{0, 4}};
  const StepTime prefill =
      timer.time({.mode = StepMode::Prefill, .prefills = prompt, .decodeContexts = {}});
  StepRecord record;
  record.mode = LaunchMode::Eager;
  record.addSequence(4, 0);
  EXPECT_EQ(prefill.hostNs, int64_t(clock.time(EntryKind::Prefill, record).launches) * 1000 * 1000);
}

TEST(PlanStepTimer, SwappingTakesTime) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  PlanStepTimer timer(clock, {});
  const std::vector<uint32_t> contexts = {5};
  const StepTime without =
      timer.time({.mode = StepMode::Decode, .prefills = {}, .decodeContexts = contexts});
  const StepTime with = timer.time({.mode = StepMode::Decode,
                                    .prefills = {},
                                    .decodeContexts = contexts,
                                    .swappedOutBlocks = 100});
  EXPECT_GT(with.deviceNs, without.deviceNs);
}

} // namespace
} // namespace vinci
