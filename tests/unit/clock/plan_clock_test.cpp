#include "runtime/clock/plan_clock.h"

#include "runtime/clock/plan_step_timer.h"
#include "runtime/clock/step_recorder.h"
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
    for (uint32_t i = 0; i < old.wait_count(); ++i)
      plan.bodies[sample::Layer]->events.emplace_back(
          plan.bodies[sample::Layer]->waits[old.wait_first() + i], command);
  };
  // Keys and values are projected beside each other; the norm comes before everything.
  const double beside = timeWith([&](fb::PlanT &plan) {
    onOwnStream(plan, sample::ProjectV, 1);
    plan.bodies[sample::Layer]->events.emplace_back(sample::ProjectV, sample::Append);
  });
  const double before = timeWith([&](fb::PlanT &plan) {
    onOwnStream(plan, sample::Norm, 1);
    plan.bodies[sample::Layer]->events.emplace_back(sample::Norm, sample::ProjectQ);
  });
  EXPECT_LT(beside, one);
  EXPECT_NEAR(before, one, 1e-9 * one);
}

TEST(PlanClock, TheTraceIsTheStep) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  double busy = 0, last = 0, previous = 0;
  uint64_t count = 0;
  clock.trace(EntryKind::Prefill, decodeOf(3), [&](const PlacedCommand &command) {
    EXPECT_EQ(command.stream, 0u);
    EXPECT_GE(command.startUs, previous - 1e-9); // time is conserved on a stream
    busy += command.endUs - command.startUs;
    previous = last = command.endUs;
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

/// The parameter that queries are projected by.
constexpr uint32_t q = 1;

/// The sample plan, whose queries have a large projection, after `edit`.
template <typename Edit> Plan largeProjection(Edit edit) {
  return planWith([&](fb::PlanT &tables) {
    fb::CostT &cost = *tables.kernels[sample::MatmulQ]->cost;
    cost.kind = fb::CostClass::Matmul;
    cost.weights = cost.activations = fb::DType::BFloat16;
    cost.n = cost.k = 5792;
    cost.fixed_bytes = 64 << 20;
    edit(tables);
  });
}

/// A prefetch of it beside the norm before it, which waits for nothing.
Plan prefetching(double share, uint32_t minTokens = 0) {
  return largeProjection([=](fb::PlanT &tables) {
    sample::insertPrefetch(tables, sample::Layer, sample::Norm, q, share, minTokens);
  });
}

/// What the memory delivers in so many microseconds.
double delivered(double us) {
  const DeviceSpec &device = npu().spec();
  return us * device[Constant::MemoryBandwidth].value *
         device[Constant::MemoryShareMatmulFloat].value;
}

TEST(PlanClock, APrefetchGainsWhatTheWindowDelivers) {
  const Plan plan = largeProjection([](fb::PlanT &) {});
  const auto timeWith = [&](double share) {
    const Plan fetching = prefetching(share);
    return PlanClock(fetching, npu()).time(EntryKind::Decode, decodeOf(2));
  };
  const StepTimes without = PlanClock(plan, npu()).time(EntryKind::Decode, decodeOf(2)),
                  with = timeWith(1);
  EXPECT_EQ(without.prefetchedBytes, 0);
  EXPECT_EQ(with.launches, without.launches + sample::layers);
  // The norm before the product is all that passes meanwhile.
  const double window = PlanClock(plan, npu()).commands(EntryKind::Decode, decodeOf(2))[2].time.us;
  const double bytes = delivered(window);
  EXPECT_NEAR(with.prefetchedBytes, sample::layers * bytes, 1e-6 * bytes);
  EXPECT_LT(with.deviceUs, without.deviceUs);
  EXPECT_GE(with.deviceUs, without.deviceUs - sample::layers * window - 1e-9);
  // A share that is less than the window delivers.
  const double tiny = 0.25 * bytes / double(64 << 20);
  EXPECT_NEAR(timeWith(tiny).prefetchedBytes, sample::layers * bytes / 4, 1e-6 * bytes);
}

TEST(PlanClock, ASmallStepDoesWithoutAPrefetch) {
  const Plan plan = largeProjection([](fb::PlanT &) {}), fetching = prefetching(1, 3);
  const auto timeOf = [&](const Plan &plan, uint32_t sequences) {
    return PlanClock(plan, npu()).time(EntryKind::Decode, decodeOf(sequences));
  };
  EXPECT_EQ(timeOf(fetching, 2).deviceUs, timeOf(plan, 2).deviceUs);
  EXPECT_EQ(timeOf(fetching, 2).launches, timeOf(plan, 2).launches);
  EXPECT_LT(timeOf(fetching, 3).deviceUs, timeOf(plan, 3).deviceUs);
}

/// A prefetch of the next call's queries beside the residual at the end of a layer.
Plan prefetchingAcrossCalls() {
  return largeProjection([](fb::PlanT &tables) {
    tables.bodies[sample::Layer]->parameters.push_back("next.q");
    sample::insertPrefetch(tables, sample::Layer, sample::Residual, 6, 1);
    fb::Command &prefetch = tables.bodies[sample::Layer]->commands[sample::Residual];
    // It begins with the residual, not with the layer.
    tables.bodies[sample::Layer]->waits.push_back(sample::ProjectO);
    prefetch = fb::Command(prefetch.kernel(), prefetch.operand_first(), 1,
                           uint32_t(tables.bodies[sample::Layer]->waits.size() - 1), 1,
                           prefetch.stream(), prefetch.tiles());
    tables.bodies[sample::Layer]->events.emplace_back(sample::ProjectO, sample::Residual);
    for (auto &entry : tables.entries)
      for (size_t i = 0; i < entry->calls.size(); ++i)
        if (entry->calls[i]->body == sample::Layer) {
          const bool isLast = entry->calls[i + 1]->body != sample::Layer;
          entry->calls[i]->bindings.push_back(isLast ? fb::Binding(fb::BindingKind::Nothing, 0)
                                                     : entry->calls[i + 1]->bindings[q]);
        }
  });
}

TEST(PlanClock, APrefetchGoesOnInTheNextCall) {
  const Plan plan = prefetchingAcrossCalls();
  const PlanClock clock(plan, npu());
  const StepTimes times = clock.time(EntryKind::Decode, decodeOf(2));
  double window = 0;
  CommandTime prefetch;
  for (const CommandTime &command : clock.commands(EntryKind::Decode, decodeOf(2)))
    if (command.body->name()->string_view() == "decoder_layer") {
      if (command.command == sample::Norm || command.command == sample::Residual + 1)
        window += command.time.us;
      if (command.kernel->prefetch())
        prefetch = command;
    }
  // From one layer to the next, and from the last to nothing.
  EXPECT_EQ(prefetch.calls, sample::layers - 1);
  EXPECT_NEAR(prefetch.fetchedBytes, delivered(window), 1e-6 * delivered(window));
  EXPECT_NEAR(times.prefetchedBytes, (sample::layers - 1) * delivered(window),
              1e-6 * times.prefetchedBytes);

  double start = 0, end = 0, productStart = 0;
  int32_t layer = -1;
  clock.trace(EntryKind::Decode, decodeOf(2), [&](const PlacedCommand &command) {
    if (command.kernel->prefetch()) {
      EXPECT_EQ(command.stream, uint32_t(fb::Stream::Prefetch));
      start = command.startUs, end = command.endUs, layer = command.layer;
    }
    if (command.layer == 1 && productStart == 0 &&
        command.kernel->symbol()->string_view().starts_with("matmul"))
      productStart = command.startUs;
  });
  EXPECT_EQ(layer, 0);
  EXPECT_NEAR(end - start, window, 1e-6);
  EXPECT_NEAR(end, productStart, 1e-6) << "it is cut off when the weight is needed";
}

TEST(PlanClock, WhatTakesTheMemoryEndsAPrefetch) {
  // The norm reads so much that nothing is left for the prefetch beside it.
  const Plan plan = largeProjection([](fb::PlanT &tables) {
    tables.kernels[sample::RmsNorm]->cost->fixed_bytes = uint64_t(1) << 30;
    sample::insertPrefetch(tables, sample::Layer, sample::Norm, q, 1);
  });
  EXPECT_EQ(PlanClock(plan, npu()).time(EntryKind::Decode, decodeOf(2)).prefetchedBytes, 0);
}

TEST(PlanClock, ExpertsOfTheRoutingAreTimed) {
  const Plan plan = planWith([](fb::PlanT &tables) {
    fb::CostT &cost = *tables.kernels[sample::MatmulQ]->cost;
    cost.kind = fb::CostClass::GroupedMatmul;
    cost.weights = cost.activations = fb::DType::BFloat16;
    cost.n = cost.k = 1024;
    cost.groups = cost.experts = 128;
    cost.top_k = 8;
    cost.fixed_bytes = uint64_t(128) << 20;
  });
  const auto timeWith = [&](const char *routing, std::span<const uint32_t> hit = {}) {
    StepRecord step = decodeOf(8);
    step.expertsHit = hit;
    return PlanClock(plan, npu(), {.routing = Routing::parse(routing, "routing"), .devices = {}})
        .time(EntryKind::Decode, step)
        .deviceUs;
  };
  EXPECT_GT(timeWith("balanced"), timeWith("uniform")) << "64 experts are hit, not 52";
  EXPECT_LT(timeWith("zipf:1.5"), timeWith("uniform")) << "many tokens, few experts";
  const std::vector<uint32_t> few(sample::layers, 8), many(sample::layers, 64);
  EXPECT_LT(timeWith("uniform", few), timeWith("uniform", many));
  EXPECT_EQ(timeWith("zipf:1.5", many), timeWith("uniform", many)) << "what was counted counts";
}

TEST(PlanClock, AMemoChangesNothing) {
  const Plan plan = prefetchingAcrossCalls();
  const PlanClock clock(plan, npu());
  TimeMemo memo;
  for (const LaunchMode mode : {LaunchMode::Graph, LaunchMode::Eager})
    for (const uint32_t sequences : {1u, 9u, 1u, 2u, 17u, 9u})
      for (const EntryKind entry : {EntryKind::Decode, EntryKind::Prefill}) {
        const StepRecord step = decodeOf(sequences, mode);
        const StepTimes with = clock.time(entry, step, &memo), without = clock.time(entry, step);
        EXPECT_EQ(with.deviceUs, without.deviceUs);
        EXPECT_EQ(with.deviceP90, without.deviceP90);
        EXPECT_EQ(with.hostUs, without.hostUs);
        EXPECT_EQ(with.prefetchedBytes, without.prefetchedBytes);
      }
}

TEST(PlanClock, LessToDoIsNeverSlower) {
  const Plan plan = samplePlan();
  const auto timeOn = [&](auto edit, const StepRecord &step) {
    DeviceSpec device = *findDeviceSpec("910b3");
    edit(device);
    const CostModel model(device);
    return PlanClock(plan, model).time(EntryKind::Decode, step).us();
  };
  for (LaunchMode mode : {LaunchMode::Eager, LaunchMode::KernelByKernel, LaunchMode::Graph}) {
    double previous = 0;
    for (uint32_t sequences : {1u, 2u, 8u, 64u}) {
      const StepRecord step = decodeOf(sequences, mode);
      const double us = timeOn([](DeviceSpec &) {}, step);
      EXPECT_GE(us, previous);
      previous = us;
      for (Constant better : {Constant::MemoryBandwidth, Constant::L2Bandwidth,
                              Constant::CubeFrequency, Constant::VectorFrequency})
        EXPECT_LE(timeOn([&](DeviceSpec &device) { device[better].value *= 1.5; }, step), us);
      for (Constant less : {Constant::LaunchEager, Constant::LaunchGraph, Constant::GraphVector,
                            Constant::LaunchedVector})
        EXPECT_LE(timeOn([&](DeviceSpec &device) { device[less].value *= 0.5; }, step), us);
    }
  }
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

TEST(PlanStepTimer, AttentionsOfACapturedStepAreSetOneByOne) {
  const LaunchPolicy policy = {.prefillLaunchUs = 50, .attentionUs = 100};
  const StepTimes times = {.launches = 10, .attentions = 3};
  EXPECT_EQ(policy.hostUs(times, 7, LaunchMode::Graph, true), 7 + 3 * 100);
  EXPECT_EQ(policy.hostUs(times, 7, LaunchMode::Graph, false), 7 + 3 * 100);
  EXPECT_EQ(policy.hostUs(times, 7, LaunchMode::Eager, true), 7);
  EXPECT_EQ(policy.hostUs(times, 7, LaunchMode::Eager, false), 10 * 50);
}

TEST(PlanStepTimer, TellsWhatIsCaptured) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  PlanStepTimer timer(clock, {.graphSizes = {2, 4}, .idleUs = 3, .prefillLaunchUs = 1000});
  const auto decode = [&](size_t sequences) {
    const std::vector<uint32_t> contexts(sequences, 11);
    return timer.time({.mode = StepMode::Decode, .prefills = {}, .decodeContexts = contexts});
  };
  const StepTimes captured = clock.time(EntryKind::Decode, decodeOf(2));
  EXPECT_EQ(decode(2).deviceNs, std::llround((captured.deviceUs + 3) * 1e3));
  EXPECT_EQ(decode(2).hostNs, std::llround(captured.hostUs * 1e3));
  // Padded by sequences of one token: as long as such a step.
  StepRecord padded = decodeOf(3);
  padded.addSequence(1, 0);
  EXPECT_EQ(decode(3).deviceNs,
            std::llround((clock.time(EntryKind::Decode, padded).deviceUs + 3) * 1e3));
  // One more than the largest graph: launched kernel by kernel.
  EXPECT_GT(decode(5).hostNs, 2 * decode(4).hostNs);

  const std::vector<StepShape::Part> prompt = {{0, 4}};
  const StepTime prefill =
      timer.time({.mode = StepMode::Prefill, .prefills = prompt, .decodeContexts = {}});
  StepRecord record;
  record.mode = LaunchMode::Eager;
  record.addSequence(4, 0);
  EXPECT_EQ(prefill.hostNs, int64_t(clock.time(EntryKind::Prefill, record).launches) * 1000 * 1000);
}

TEST(LaunchPolicy, ThreadsShareGroupsOfLaunches) {
  const LaunchPolicy one{}, two{.dispatchThreads = 2, .dispatchGroup = 8, .handoverUs = 5};
  EXPECT_EQ(one.dispatchedUs(1000, 30000), 30000);
  // 125 groups: one thread has 63 of them, 504 launches.
  EXPECT_DOUBLE_EQ(two.dispatchedUs(1000, 30000), 30000 * 0.504 + 63 * 5);
  EXPECT_EQ(two.dispatchedUs(8, 240), 240) << "a single group has one thread";
  const LaunchPolicy many{.dispatchThreads = 100, .dispatchGroup = 8, .handoverUs = 5};
  EXPECT_LT(many.dispatchedUs(1000, 30000), two.dispatchedUs(1000, 30000));
}

TEST(PlanStepTimer, ThreadsHelpWhatTheHostLaunches) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  const auto hostNs = [&](LaunchMode mode, uint32_t threads) {
    PlanStepTimer timer(clock, {.decode = mode, .dispatchThreads = threads, .dispatchGroup = 2});
    const std::vector<uint32_t> contexts = {11};
    return timer.time({.mode = StepMode::Decode, .prefills = {}, .decodeContexts = contexts})
        .hostNs;
  };
  EXPECT_LT(hostNs(LaunchMode::Eager, 2), hostNs(LaunchMode::Eager, 1));
  EXPECT_EQ(hostNs(LaunchMode::Graph, 2), hostNs(LaunchMode::Graph, 1));
}

TEST(PlanStepTimer, EstimatesEncloseTheMean) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  const auto at = [&](Estimate estimate) {
    PlanStepTimer timer(clock, {}, estimate);
    const std::vector<uint32_t> contexts = {11, 40};
    return timer.time({.mode = StepMode::Decode, .prefills = {}, .decodeContexts = contexts});
  };
  EXPECT_LT(at(Estimate::Low).deviceNs, at(Estimate::Mean).deviceNs);
  EXPECT_LT(at(Estimate::Mean).deviceNs, at(Estimate::High).deviceNs);
  EXPECT_LT(at(Estimate::Low).hostNs, at(Estimate::Mean).hostNs);
  EXPECT_LT(at(Estimate::Mean).hostNs, at(Estimate::High).hostNs);
}

/// Takes any step; of each, `hit` experts.
class Recorded final : public StepRunner {
public:
  const ModelLimits &limits() const override { return limits_; }
  const GraphCapture &graphs() const override { return graphs_; }
  std::span<const std::span<const float>> stepGroups(EntryKind,
                                                     std::span<const StepInputs> groups) override {
    hit_.assign(1, uint32_t(groups[0].tokenIds.size()));
    return logits_;
  }
  void setGroups(uint32_t groups) { limits_.dataGroups = groups; }
  std::span<const uint32_t> expertsHit() const override { return hit_; }

private:
  ModelLimits limits_;
  GraphCapture graphs_;
  std::vector<uint32_t> hit_;
  std::vector<std::span<const float>> logits_ = {{}};
};

TEST(StepRecorder, RemembersLengthsAndExperts) {
  Recorded model;
  StepRecorder recorder(model);
  const std::vector<int32_t> ids(6), starts = {0, 4, 5, 6}, lengths = {9, 11, 1}, wanted = {3, 4};
  recorder.step(EntryKind::Prefill, {.tokenIds = ids,
                                     .positions = ids,
                                     .slotMapping = ids,
                                     .queryStart = starts,
                                     .contextLens = lengths,
                                     .blockTables = {},
                                     .logitIndices = wanted});
  ASSERT_EQ(recorder.steps().size(), 1u);
  const StepRecord record = recorder.recordOf(0, {});
  EXPECT_EQ(record.tokens, 6u);
  EXPECT_EQ(record.sequences, 3u);
  EXPECT_EQ(record.logitRows, 2u);
  EXPECT_EQ(record.decodeSequences, 2u);
  EXPECT_EQ(record.decodeKvTokens, 12u);
  EXPECT_EQ(record.prefillTokens, 4u);
  EXPECT_EQ(record.prefillPairs, 4u * 5 + 4 * 5 / 2);
  EXPECT_EQ(record.mode, LaunchMode::Eager);
  ASSERT_EQ(record.expertsHit.size(), 1u);
  EXPECT_EQ(record.expertsHit[0], 6u);
}

TEST(StepRecorder, OfGroupsTheOneThatAttendsToTheMost) {
  Recorded model;
  model.setGroups(2);
  StepRecorder recorder(model);
  const std::vector<int32_t> ids(3), shortStarts = {0, 1, 2, 3}, shortLengths = {4, 5, 6},
                                     longStarts = {0, 1}, longLengths = {100};
  const std::span<const int32_t> one = std::span(ids).first(1);
  const StepInputs groups[] = {{ids, ids, ids, shortStarts, shortLengths, {}, {}},
                               {one, one, one, longStarts, longLengths, {}, {}}};
  recorder.stepGroups(EntryKind::Decode, groups);
  const StepRecord record = recorder.recordOf(0, {});
  EXPECT_EQ(record.tokens, 3u);
  EXPECT_EQ(record.sequences, 3u);
  EXPECT_EQ(record.logitRows, 3u);
  EXPECT_EQ(record.decodeSequences, 1u);
  EXPECT_EQ(record.decodeKvTokens, 100u);
}

/// Three steps of two sequences.
void recordDecodes(StepRecorder &recorder) {
  const std::vector<int32_t> ids(2), starts = {0, 1, 2};
  for (int32_t length : {10, 20, 30}) {
    const std::vector<int32_t> lengths = {length, 2 * length};
    recorder.step(EntryKind::Decode, {.tokenIds = ids,
                                      .positions = ids,
                                      .slotMapping = ids,
                                      .queryStart = starts,
                                      .contextLens = lengths,
                                      .blockTables = {},
                                      .logitIndices = {}});
  }
}

TEST(VirtualRun, IsTheClocksStepsOneAfterAnother) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  Recorded model;
  StepRecorder recorder(model);
  recordDecodes(recorder);
  const VirtualRun run(recorder, clock, {});
  ASSERT_EQ(run.size(), 3u);
  double now = 0;
  EXPECT_EQ(run.known(0), 0);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(run.begin(i), now);
    StepRecord record;
    record.addSequence(1, 10 * (i + 1) - 1);
    record.addSequence(1, 20 * (i + 1) - 1);
    EXPECT_EQ(run.step(i).deviceUs, clock.time(EntryKind::Decode, record).deviceUs);
    now += run.step(i).us();
    EXPECT_EQ(run.end(i), now);
    EXPECT_EQ(run.known(i + 1), now);
  }
}

TEST(VirtualRun, BehindAStackStepsWaitForItsGap) {
  const Plan plan = samplePlan();
  const PlanClock clock(plan, npu());
  Recorded model;
  StepRecorder recorder(model);
  recordDecodes(recorder);
  const VirtualRun alone(recorder, clock, {});
  const double whole = alone.end(2), first = alone.end(0);
  const VirtualRun behind(recorder, clock, {}, {.us = 7});
  EXPECT_DOUBLE_EQ(behind.begin(1), first + 7);
  EXPECT_DOUBLE_EQ(behind.known(3), whole + 3 * 7);
  // A stack that plans ahead hides the gap, but for what is left idle, and waits for the last one.
  const VirtualRun ahead(recorder, clock, {.idleUs = 2}, {.us = 7, .plansAhead = true});
  const double idle = alone.step(0).hostUs < alone.step(0).deviceUs ? 2 : 0;
  EXPECT_DOUBLE_EQ(ahead.begin(1), first + idle);
  EXPECT_DOUBLE_EQ(ahead.known(3), ahead.end(2) + 7);
  // One that takes longer than the device paces the steps.
  const VirtualRun paced(recorder, clock, {}, {.us = 1e6, .plansAhead = true});
  EXPECT_DOUBLE_EQ(paced.begin(1), first);
  EXPECT_DOUBLE_EQ(paced.begin(2), first + 1e6);
  EXPECT_DOUBLE_EQ(paced.known(3), first + 3e6);
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
