// What must hold for every scheduler, whatever its settings and load.
#include "runtime/serving/metrics.h"
#include "runtime/serving/scheduler_vllm.h"
#include "tests/unit/serving/simulation_test.h"

#include <algorithm>
#include <functional>

namespace vinci {
namespace {

using namespace test;

struct Case {
  std::string name;
  std::function<std::unique_ptr<Scheduler>()> make;
  bool shares = false; ///< blocks among requests
};

MindieSettings mindie() {
  MindieSettings settings;
  settings.cacheBlockSize = 16;
  settings.maxSeqLen = 320;
  settings.maxInputTokenLen = 200;
  settings.maxPrefillTokens = 320;
  settings.maxBatchSize = settings.maxPrefillBatchSize = 12;
  return settings;
}

VllmSettings vllm() {
  VllmSettings settings;
  settings.maxNumSeqs = 12;
  settings.maxNumBatchedTokens = 64;
  settings.maxModelLen = 320;
  settings.blockSize = 16;
  settings.numBlocks = 1000;
  settings.prefixCaching = false;
  return settings;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto addMindie = [&](std::string name, auto change, KvPool pool, BatchBounds bounds = {}) {
    MindieSettings settings = mindie();
    change(settings);
    all.push_back({"mindie " + name, [=]() -> std::unique_ptr<Scheduler> {
                     return std::make_unique<MindieScheduler>(settings, pool, bounds);
                   }});
  };
  using M = MindieSettings;
  addMindie("roomy", [](M &) {}, {1000, 0});
  addMindie("tight", [](M &) {}, {40, 0});
  addMindie("bound", [](M &s) { s.maxPrefillBatchSize = 1; }, {400, 0}, {1, 1});
  addMindie("select", [](M &s) { s.supportSelectBatch = true; }, {400, 0});
  addMindie("mixed", [](M &s) { s.mixed = true; }, {60, 0});
  for (int64_t policy : {0, 1, 2, 3})
    for (bool mixed : {false, true})
      addMindie(fmt::format("preempting, policy {}{}", policy, mixed ? ", mixed" : ""),
                [=](M &s) {
                  s.prefillPolicyType = s.decodePolicyType = policy;
                  s.maxPreemptCount = 2;
                  s.mixed = mixed;
                },
                {26, 30}, {0, policy == 2 ? 3u : 0u});
  const auto addVllm = [&](std::string name, auto change) {
    VllmSettings settings = vllm();
    change(settings);
    all.push_back(
        {"vllm " + name,
         [=]() -> std::unique_ptr<Scheduler> { return std::make_unique<VllmScheduler>(settings); },
         settings.prefixCaching});
  };
  using V = VllmSettings;
  for (bool async : {false, true})
    for (int64_t blocks : {1000, 26})
      for (bool prefixes : {false, true}) {
        const std::string name = fmt::format("{} blocks{}{}", blocks, async ? ", async" : "",
                                             prefixes ? ", prefixes" : "");
        const auto change = [=](V &s) {
          s.asyncScheduling = async;
          s.numBlocks = blocks;
          s.prefixCaching = prefixes;
        };
        addVllm(name, change);
        addVllm(name + ", ascend", [=](V &s) {
          change(s);
          s.ascendScheduler = true;
          s.chunkedPrefill = false;
          s.maxNumBatchedTokens = 320;
        });
      }
  return all;
}

Load load(uint64_t seed, bool open) {
  RequestShape requests = shape(150, "uniform:1-200", "uniform:1-110", 100, seed);
  requests.prefixTokens = 70;
  return open ? Load::openLoop(requests, 150) : Load::closedLoop(requests, 20);
}

/// Every step, as the scheduler means it.
struct Checks {
  const Scheduler &scheduler;
  bool shares;
  uint64_t tokens = 0;
  int64_t lastStart = 0, lastEnd = 0;

  void operator()(const SimulatedStep &simulated) {
    const ScheduledStep &step = simulated.groups.front();
    ASSERT_GE(simulated.startNs, std::max(simulated.plannedNs, lastEnd)) << "one step at a time";
    ASSERT_GT(simulated.endNs, simulated.startNs);
    lastStart = simulated.startNs;
    lastEnd = simulated.endNs;
    std::vector<int32_t> owned;
    std::vector<uint32_t> slots;
    const auto check = [&](uint32_t slot, uint32_t cached) {
      const std::span<const int32_t> blocks = scheduler.blocks(slot);
      ASSERT_GE(blocks.size() * scheduler.blockSize(), cached);
      owned.insert(owned.end(), blocks.begin(), blocks.end());
      slots.push_back(slot);
      for (int32_t block : blocks)
        ASSERT_GE(scheduler.deviceBlocks().references(block), 1u);
    };
    for (const PrefillChunk &chunk : step.prefills) {
      check(chunk.slot, chunk.first + chunk.tokens);
      tokens += chunk.tokens;
    }
    for (const DecodeToken &token : step.decodes) {
      check(token.slot, token.context);
      ++tokens;
    }
    std::ranges::sort(slots);
    ASSERT_EQ(std::ranges::adjacent_find(slots), slots.end()) << "a request twice in a step";
    std::ranges::sort(owned);
    for (size_t i = 0; i < owned.size();) {
      const auto end = std::upper_bound(owned.begin(), owned.end(), owned[i]) - owned.begin();
      const size_t owners = size_t(end) - i;
      ASSERT_TRUE(shares || owners == 1) << "block " << owned[i] << " is owned twice";
      ASSERT_LE(owners, scheduler.deviceBlocks().references(owned[i]));
      i = size_t(end);
    }
  }
};

TEST(EveryScheduler, ConservesTokensAndBlocks) {
  for (const Case &one : cases())
    for (uint64_t seed : {1, 2, 3})
      for (bool open : {false, true}) {
        SCOPED_TRACE(fmt::format("{}, seed {}, {}", one.name, seed, open ? "open" : "closed"));
        const std::unique_ptr<Scheduler> scheduler = one.make();
        PerTokenTimer timer(30 * us, 10 * us);
        Load requests = load(seed, open);
        Checks checks{*scheduler, one.shares};
        SimulationOptions options;
        options.servingGapNs = 100 * us;
        options.keepTokens = true;
        options.onStep = std::ref(checks);
        const SimulationResult result = simulate(*scheduler, requests, timer, options);
        if (HasFatalFailure())
          return;

        ASSERT_EQ(result.requests.size(), 150u);
        Load again = load(seed, false);
        uint64_t needed = 0;
        for (const SimulatedRequest &request : result.requests) {
          const LoadRequest sent = again.take();
          again.answered(0);
          ASSERT_FALSE(request.refused);
          ASSERT_EQ(request.inputTokens, sent.inputTokens);
          ASSERT_EQ(request.outputTokens, std::min(sent.outputTokens, 100u));
          ASSERT_EQ(request.tokenNs.size(), request.outputTokens);
          ASSERT_TRUE(std::ranges::is_sorted(request.tokenNs, std::less_equal()));
          ASSERT_GT(request.tokenNs.front(), request.submittedNs);
          ASSERT_GE(request.submittedNs, request.sentNs);
          needed += request.inputTokens + request.outputTokens - 1;
        }
        const SchedulerCounters &counters = result.counters;
        ASSERT_EQ(checks.tokens, needed + counters.recomputedTokens + counters.wastedTokens -
                                     counters.prefixTokensFound);
        ASSERT_EQ(counters.finished, 150u);
        ASSERT_EQ(counters.swappedIn, counters.swappedOut);
        ASSERT_EQ(scheduler->deviceBlocks().available(), scheduler->deviceBlocks().total());
        ASSERT_EQ(scheduler->hostBlocks().available(), scheduler->hostBlocks().total());
      }
}

/// That the cases above reach what they are there for.
TEST(EveryScheduler, TheCasesPreemptSwapShareAndWaste) {
  SchedulerCounters sum;
  for (const Case &one : cases()) {
    const std::unique_ptr<Scheduler> scheduler = one.make();
    PerTokenTimer timer(30 * us);
    Load requests = load(1, false);
    const SchedulerCounters counters = simulate(*scheduler, requests, timer, {}).counters;
    sum.stalls += counters.stalls;
    sum.recomputed += counters.recomputed;
    sum.swappedOut += counters.swappedOut;
    sum.waitedForBlocks += counters.waitedForBlocks;
    sum.prefixTokensFound += counters.prefixTokensFound;
    sum.wastedTokens += counters.wastedTokens;
  }
  EXPECT_GT(sum.stalls, 0u);
  EXPECT_GT(sum.recomputed, 0u);
  EXPECT_GT(sum.swappedOut, 0u);
  EXPECT_GT(sum.waitedForBlocks, 0u);
  EXPECT_GT(sum.prefixTokensFound, 0u);
  EXPECT_GT(sum.wastedTokens, 0u);
}

TEST(EveryScheduler, SameInputSameResult) {
  for (const Case &one : cases()) {
    const auto run = [&] {
      const std::unique_ptr<Scheduler> scheduler = one.make();
      PerTokenTimer timer(30 * us, 20 * us);
      Load requests = load(5, true);
      SimulationOptions options;
      options.keepTokens = options.keepEvents = true;
      return simulate(*scheduler, requests, timer, options);
    };
    const SimulationResult first = run(), second = run();
    EXPECT_EQ(first.requests, second.requests) << one.name;
    EXPECT_EQ(first.events, second.events) << one.name;
    EXPECT_FALSE(first.events.empty());
    EXPECT_EQ(toJson(measure(first), first).dump(), toJson(measure(second), second).dump());
  }
}

} // namespace
} // namespace vinci
