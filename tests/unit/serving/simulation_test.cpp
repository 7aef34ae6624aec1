#include "tests/unit/serving/simulation_test.h"

#include "runtime/serving/scheduler_vllm.h"

namespace vinci {
namespace {

using namespace test;
using Times = std::vector<int64_t>;

MindieSettings settings() {
  MindieSettings result;
  result.maxPrefillBatchSize = 1; // nobody waits for a fuller batch
  return result;
}

VllmScheduler vllm(bool async) {
  VllmSettings settings;
  settings.numBlocks = 1000;
  settings.asyncScheduling = async;
  return VllmScheduler(settings);
}

std::vector<TraceRequest> one(uint32_t outputs) {
  return {{0, 10, outputs, outputs, 5, 0, 0}};
}

TEST(Simulation, AStepThenTheGapThenTheTokens) {
  MindieScheduler scheduler(settings(), {1000, 0});
  TwoTimes timer({50 * ms, 70 * ms}, {20 * ms, 5 * ms});
  Load load = Load::trace(one(3));
  SimulationOptions options;
  options.servingGapNs = 4 * ms;
  options.tokenizerNs = 2 * ms;
  options.keepTokens = true;
  const SimulationResult result = simulate(scheduler, load, timer, options);
  ASSERT_EQ(result.requests.size(), 1u);
  const SimulatedRequest &request = result.requests[0];
  EXPECT_EQ(request.submittedNs, 2 * ms);
  EXPECT_EQ(request.tokenNs, (Times{76 * ms, 100 * ms, 124 * ms}))
      << "prefill is bound by the host, decode by the device";
  EXPECT_EQ(request.firstTokenNs, 76 * ms);
  EXPECT_EQ(request.lastTokenNs, 124 * ms);
  EXPECT_EQ(request.lastGapNs, 24 * ms);
  EXPECT_EQ(request.largestGapNs, 24 * ms);
  EXPECT_EQ(result.elapsedNs, 124 * ms);
  EXPECT_EQ(result.steps, 3u);
  EXPECT_EQ(result.deviceNs, 90 * ms);
  EXPECT_EQ(result.busyNs, (70 + 24 + 24) * ms);
}

TEST(Simulation, AsyncSchedulingHidesTheGap) {
  for (bool async : {false, true}) {
    VllmScheduler scheduler = vllm(async);
    TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
    Load load = Load::trace(one(4));
    SimulationOptions options;
    options.servingGapNs = 4 * ms;
    options.keepTokens = true;
    const SimulationResult result = simulate(scheduler, load, timer, options);
    EXPECT_EQ(result.requests[0].tokenNs, async ? (Times{54 * ms, 74 * ms, 94 * ms, 114 * ms})
                                                : (Times{54 * ms, 78 * ms, 102 * ms, 126 * ms}));
  }
}

TEST(Simulation, RanksWaitForTheLatestHost) {
  const auto run = [](HostJitter jitter, bool async = false) {
    VllmScheduler scheduler = vllm(async);
    TwoTimes timer({50 * ms, 0}, {20 * ms, 15 * ms});
    Load load = Load::trace(one(200));
    SimulationOptions options;
    options.jitter = jitter;
    return simulate(scheduler, load, timer, options);
  };
  const SimulationResult none = run({.meanNs = 0, .ranks = 8});
  EXPECT_EQ(none.skewsNs.count(), 0u);
  EXPECT_EQ(run({.meanNs = ms, .ranks = 1}).elapsedNs, none.elapsedNs) << "nobody to wait for";
  const SimulationResult eight = run({.meanNs = ms, .ranks = 8});
  EXPECT_EQ(eight.skewsNs.count(), eight.steps);
  // Of eight exponential delays the largest is 1 + 1/2 + … + 1/8 of the mean, and the skew that
  // less 1/8.
  EXPECT_NEAR(double(eight.elapsedNs - none.elapsedNs) / double(eight.steps), 2.718 * ms, 0.3 * ms);
  EXPECT_NEAR(eight.skewsNs.mean(), 2.593 * ms, 0.3 * ms);
  EXPECT_GT(eight.elapsedNs, run({.meanNs = ms, .ranks = 2}).elapsedNs);
  EXPECT_EQ(run({.meanNs = ms, .ranks = 8}).elapsedNs, eight.elapsedNs) << "the same seed";
  EXPECT_NE(run({.meanNs = ms, .ranks = 8, .seed = 1}).elapsedNs, eight.elapsedNs);
  // A host that plans ahead has 5 ms until the device notices.
  const int64_t ahead = run({}, true).elapsedNs;
  EXPECT_LT(run({.meanNs = ms, .ranks = 8}, true).elapsedNs - ahead,
            (eight.elapsedNs - none.elapsedNs) / 2);
  EXPECT_EQ(messageOf([&] { run({.meanNs = -1}); }),
            "a jitter of -1 ns; a time from 0 is expected");
}

// A gap that is longer than the device's work paces the steps.
TEST(Simulation, AsyncSchedulingIsBoundByTheHost) {
  VllmScheduler scheduler = vllm(true);
  TwoTimes timer({10 * ms, 0}, {10 * ms, 0});
  Load load = Load::trace(one(5));
  SimulationOptions options;
  options.servingGapNs = 15 * ms;
  options.keepTokens = true;
  const SimulationResult result = simulate(scheduler, load, timer, options);
  // Two steps are ahead at first; from then on the host needs 15 ms for each.
  EXPECT_EQ(result.requests[0].tokenNs, (Times{25 * ms, 40 * ms, 55 * ms, 70 * ms, 85 * ms}));
}

TEST(Simulation, AsyncSchedulingTakesArrivalsWhileTheDeviceWorks) {
  VllmScheduler scheduler = vllm(true);
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 10, 1, 1, 5, 0, 0}, {30 * ms, 10, 1, 1, 5, 0, 0}});
  SimulationOptions options;
  options.keepTokens = true;
  std::vector<int64_t> planned, started;
  options.onStep = [&](const SimulatedStep &step) {
    planned.push_back(step.plannedNs);
    started.push_back(step.startNs);
  };
  simulate(scheduler, load, timer, options);
  EXPECT_EQ(planned, (Times{0, 30 * ms}));
  EXPECT_EQ(started, (Times{0, 50 * ms}));
}

TEST(Simulation, AnUnforeseenEndWastesAStep) {
  VllmScheduler scheduler = vllm(true);
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 10, 3, 100, 5, 0, 0}});
  const SimulationResult result = simulate(scheduler, load, timer, {});
  EXPECT_EQ(result.requests[0].outputTokens, 3u);
  EXPECT_EQ(result.steps, 4u);
  EXPECT_EQ(result.counters.wastedTokens, 1u);
}

TEST(Simulation, TokenizersAreAQueue) {
  MindieScheduler scheduler(settings(), {1000, 0});
  TwoTimes timer({1 * ms, 0}, {1 * ms, 0});
  Load load = Load::closedLoop(shape(5, "fixed:10", "fixed:1"), 5);
  SimulationOptions options;
  options.tokenizerNs = 3 * ms;
  options.tokenizerProcesses = 2;
  const SimulationResult result = simulate(scheduler, load, timer, options);
  Times submitted;
  for (const SimulatedRequest &request : result.requests)
    submitted.push_back(request.submittedNs);
  EXPECT_EQ(submitted, (Times{3 * ms, 3 * ms, 6 * ms, 6 * ms, 9 * ms}));
}

TEST(Simulation, WaitsForAFullerBatchOnlyAsLongAsItMay) {
  MindieSettings wanted;
  wanted.maxQueueDelayMicroseconds = 5000;
  MindieScheduler scheduler(wanted, {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 10, 1, 1, 5, 0, 0}, {4 * ms, 10, 1, 1, 5, 0, 0}});
  const SimulationResult result = simulate(scheduler, load, timer, {});
  EXPECT_EQ(result.requests[0].firstTokenNs, 55 * ms);
  EXPECT_EQ(result.requests[1].firstTokenNs, 55 * ms);
  EXPECT_EQ(result.prefillBatches.max(), 2);
}

TEST(Simulation, CountsRefusedRequestsAndGoesOn) {
  MindieScheduler scheduler(settings(), {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 3000, 1, 1, 5, 0, 0}, {1, 10, 1, 1, 5, 0, 0}});
  const SimulationResult result = simulate(scheduler, load, timer, {});
  EXPECT_TRUE(result.requests[0].refused);
  EXPECT_FALSE(result.requests[1].refused);
  EXPECT_EQ(result.counters.refused, 1u);
  EXPECT_EQ(result.firstRefusal,
            "the prompt has 3000 tokens; 1 to 2048 are expected (maxInputTokenLen 2048, maxSeqLen "
            "2560)");
}

TEST(Simulation, ARefusedClientSendsItsNextRequest) {
  MindieScheduler scheduler(settings(), {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::closedLoop(shape(3, "fixed:3000", "fixed:1"), 1);
  EXPECT_EQ(simulate(scheduler, load, timer, {}).counters.refused, 3u);
}

// 60 requests a second of 50 ms of prefill each are too many: the queue grows.
TEST(Simulation, AnOpenLoopQueuesWhatItCannotServe) {
  MindieScheduler scheduler(settings(), {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::openLoop(shape(100, "fixed:10", "fixed:1"), 60);
  const SimulationResult result = simulate(scheduler, load, timer, {});
  EXPECT_GT(result.requests.back().firstTokenNs - result.requests.back().sentNs, 2 * seconds);
  EXPECT_NEAR(double(result.elapsedNs), 100 * 50e6, 50e6);
}

TEST(Simulation, SharedPrefixesAreFound) {
  VllmScheduler scheduler = vllm(false);
  PerTokenTimer timer(us);
  RequestShape requests = shape(10, "fixed:300", "fixed:2");
  requests.prefixTokens = 256;
  Load load = Load::closedLoop(requests, 1);
  const SimulationResult result = simulate(scheduler, load, timer, {});
  EXPECT_EQ(result.counters.prefixTokensFound, 9u * 256);
  EXPECT_EQ(result.counters.prefixTokensAsked, 3000u);
}

TEST(Simulation, GroupsShareTheRequestsAndStepTogether) {
  std::vector<MindieScheduler> schedulers(3, MindieScheduler(settings(), {1000, 0}));
  std::vector<Scheduler *> groups;
  for (MindieScheduler &scheduler : schedulers)
    groups.push_back(&scheduler);
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  // Three at once, and a fourth while they decode.
  const TraceRequest request = {0, 10, 3, 3, 5, 0, 0}, later = {60 * ms, 10, 3, 3, 5, 0, 0};
  Load load = Load::trace({request, request, request, later});
  SimulationOptions options;
  options.keepTokens = true;
  std::vector<std::string> steps;
  options.onStep = [&](const SimulatedStep &step) {
    std::string text;
    for (const ScheduledStep &group : step.groups)
      text += fmt::format("{}+{} ", group.prefills.size(), group.decodes.size());
    for (const Scheduler *scheduler : step.schedulers)
      text += fmt::format("{} ", scheduler->deviceBlocks().inUse());
    steps.push_back(text);
  };
  const SimulationResult result = simulate(groups, load, timer, options);
  EXPECT_EQ(steps, (std::vector<std::string>{"1+0 1+0 1+0 2 2 2 ", "0+1 0+1 0+1 2 2 2 ",
                                             "1+0 0+1 0+1 4 2 2 ", "0+2 0+0 0+0 4 0 0 ",
                                             "0+1 0+0 0+0 2 0 0 "}));
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(result.requests[i].group, i % 3) << "the one with the least to do";
  EXPECT_EQ(result.requests[1].tokenNs, (Times{50 * ms, 70 * ms, 120 * ms}))
      << "waits for the prompt of another group";
  EXPECT_EQ(result.requests[0].tokenNs, (Times{50 * ms, 70 * ms, 140 * ms}));
  EXPECT_EQ(result.counters.finished, 4u);
  EXPECT_EQ(result.counters.mostRunning, 4u);
  EXPECT_EQ(result.blocks.mostInUse, 4u);
  EXPECT_EQ(result.steps, 5u);
  EXPECT_EQ(messageOf([&] { simulate(std::span<Scheduler *const>(), load, timer, options); }),
            "a simulation of no data-parallel group; at least one is expected");
}

TEST(Simulation, RefusesImpossibleOptions) {
  MindieScheduler scheduler(settings(), {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace(one(1));
  SimulationOptions options;
  options.tokenizerProcesses = 0;
  EXPECT_EQ(messageOf([&] { simulate(scheduler, load, timer, options); }),
            "a serving gap of 0 ns and 0 tokenizers that take 0 ns; times from 0 and at least one "
            "tokenizer are expected");
}

} // namespace
} // namespace vinci
