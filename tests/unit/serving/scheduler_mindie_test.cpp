#include "runtime/serving/scheduler_mindie.h"

#include "tests/unit/serving/scheduler_test.h"

#include <algorithm>

namespace vinci {
namespace {

using namespace test;
using Kind = SchedulerEventKind;
using Steps = std::vector<std::string>;

/// Blocks of 16 tokens, prompts that do not wait for others.
MindieSettings small() {
  MindieSettings settings;
  settings.cacheBlockSize = 16;
  settings.maxQueueDelayMicroseconds = 500;
  settings.maxBatchSize = 50;
  return settings;
}

Driver drive(const MindieSettings &settings, KvPool pool = {1000, 0}, BatchBounds bounds = {}) {
  Driver driver(std::make_unique<MindieScheduler>(settings, pool, bounds));
  driver.now = ms; // later than any queue delay of small()
  return driver;
}

/// Submits requests 1, 2, … of these lengths a millisecond ago.
Driver withRequests(const MindieSettings &settings,
                    std::vector<std::pair<uint32_t, uint32_t>> sizes, KvPool pool = {1000, 0},
                    BatchBounds bounds = {}) {
  Driver driver = drive(settings, pool, bounds);
  driver.now = 0;
  for (size_t i = 0; i < sizes.size(); ++i)
    driver.submit(i + 1, sizes[i].first, sizes[i].second);
  driver.now = ms;
  return driver;
}

TEST(MindieSettings, AreCheckedOneByOne) {
  const auto error = [](auto member, auto value) {
    MindieSettings settings;
    settings.*member = value;
    return messageOf([&] { checkSettings(settings); });
  };
  using S = MindieSettings;
  EXPECT_EQ(messageOf([] { checkSettings(S()); }), "no error");
  EXPECT_EQ(error(&S::maxSeqLen, 1), "maxSeqLen is 1; an integer from 2 to 4194304 is expected");
  EXPECT_EQ(error(&S::maxInputTokenLen, 0),
            "maxInputTokenLen is 0; an integer from 1 to 4194304 is expected");
  EXPECT_EQ(error(&S::cacheBlockSize, 129),
            "cacheBlockSize is 129; an integer from 16 to 128 is expected");
  EXPECT_EQ(error(&S::cacheBlockSize, 100),
            "cacheBlockSize is 100; a multiple of 16 from 16 to 128 is expected");
  EXPECT_EQ(error(&S::maxPrefillBatchSize, 0),
            "maxPrefillBatchSize is 0; an integer from 1 to 5000 is expected");
  EXPECT_EQ(error(&S::maxPrefillBatchSize, 201),
            "maxPrefillBatchSize is 201; an integer from 1 to maxBatchSize, which is 200, is "
            "expected");
  EXPECT_EQ(error(&S::maxPrefillTokens, 0),
            "maxPrefillTokens is 0; an integer from 1 to 4194304 is expected");
  EXPECT_EQ(error(&S::maxPrefillTokens, 2559),
            "maxPrefillTokens is 2559; an integer from maxSeqLen, which is 2560, to 4194304 is "
            "expected");
  EXPECT_EQ(error(&S::prefillTimeMsPerReq, -1),
            "prefillTimeMsPerReq is -1; an integer from 0 to 1000 is expected");
  EXPECT_EQ(error(&S::decodeTimeMsPerReq, 1001),
            "decodeTimeMsPerReq is 1001; an integer from 0 to 1000 is expected");
  EXPECT_EQ(error(&S::prefillPolicyType, 4),
            "prefillPolicyType is 4; an integer from 0 to 3 is expected");
  EXPECT_EQ(error(&S::decodePolicyType, -1),
            "decodePolicyType is -1; an integer from 0 to 3 is expected");
  EXPECT_EQ(error(&S::maxBatchSize, 5001),
            "maxBatchSize is 5001; an integer from 1 to 5000 is expected");
  EXPECT_EQ(error(&S::maxIterTimes, 0),
            "maxIterTimes is 0; an integer from 1 to 4194304 is expected");
  EXPECT_EQ(error(&S::maxPreemptCount, -1),
            "maxPreemptCount is -1; an integer from 0 to 5000 is expected");
  EXPECT_EQ(error(&S::maxQueueDelayMicroseconds, 499),
            "maxQueueDelayMicroseconds is 499; an integer from 500 to 1000000 is expected");
  EXPECT_EQ(error(&S::maxFirstTokenWaitTime, -1),
            "maxFirstTokenWaitTime is -1; an integer from 0 to 3600000 is expected");
  EXPECT_EQ(error(&S::npuMemSize, 0.0),
            "npuMemSize is 0; -1, for what is left, or GiB above 0 are expected");
  EXPECT_EQ(error(&S::cpuMemSize, -2.0), "cpuMemSize is -2; GiB from 0 are expected");
  MindieSettings noHost;
  noHost.maxPreemptCount = 3;
  noHost.cpuMemSize = 0;
  EXPECT_EQ(messageOf([&] { checkSettings(noHost); }),
            "maxPreemptCount is 3, but cpuMemSize is 0; preempted requests need GiB of host memory "
            "above 0");
  EXPECT_FALSE(parseTemplateType("Standard"));
  EXPECT_TRUE(parseTemplateType("Mix"));
  EXPECT_EQ(messageOf([] { parseTemplateType("mix"); }),
            "templateType is \"mix\"; Standard or Mix is expected");
}

TEST(MindieSettings, ABoundOfTheStackIsRefusedInItsWords) {
  EXPECT_EQ(messageOf([] {
              checkSettings(MindieSettings(), {1, 1});
            }),
            "scheduleParam.maxPrefillBatchSize [50] is out of bound [1]");
  EXPECT_EQ(messageOf([] {
              MindieScheduler(MindieSettings(), {10, 0}, {1, 1});
            }),
            "scheduleParam.maxPrefillBatchSize [50] is out of bound [1]");
  MindieSettings one;
  one.maxPrefillBatchSize = 1;
  EXPECT_EQ(messageOf([&] { checkSettings(one, {1, 1}); }), "no error");
}

TEST(MindieScheduler, PrefillsFirstThenDecodesTogether) {
  Driver driver = withRequests(small(), {{20, 3}, {30, 2}});
  EXPECT_EQ(driver.step(), "P1:0+20 P2:0+30");
  EXPECT_EQ(driver.step(), "D1 D2");
  driver.submit(3, 5, 2);
  EXPECT_EQ(driver.step(), "P3:0+5") << "those that decode wait";
  EXPECT_EQ(driver.step(), "D1 D3");
  EXPECT_EQ(driver.step(), "-");
  EXPECT_TRUE(driver.scheduler->idle());
  EXPECT_EQ(driver.saw(Kind::Finished), "2=2 1=3 3=2");
}

TEST(MindieScheduler, MaxPrefillBatchSize) {
  MindieSettings settings = small();
  settings.maxPrefillBatchSize = 2;
  Driver driver = withRequests(settings, {{8, 2}, {8, 2}, {8, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+8 P2:0+8", "P3:0+8", "D1 D2 D3"}));
}

TEST(MindieScheduler, MaxPrefillTokens) {
  MindieSettings settings = small();
  settings.maxSeqLen = settings.maxPrefillTokens = 64;
  Driver driver = withRequests(settings, {{40, 2}, {24, 2}, {1, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+40 P2:0+24", "P3:0+1", "D1 D2 D3"}));
}

TEST(MindieScheduler, MaxBatchSize) {
  MindieSettings settings = small();
  settings.maxBatchSize = settings.maxPrefillBatchSize = 2;
  Driver driver = withRequests(settings, {{8, 2}, {8, 3}, {8, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+8 P2:0+8", "D1 D2", "P3:0+8", "D2 D3"}));
}

TEST(MindieScheduler, MaxIterTimesAndLengths) {
  MindieSettings settings = small();
  settings.maxSeqLen = 100;
  settings.maxInputTokenLen = 90;
  settings.maxIterTimes = 20;
  Driver driver = drive(settings);
  EXPECT_EQ(driver.submit(1, 10, 50).maxTokens, 20u) << "maxIterTimes";
  EXPECT_EQ(driver.submit(2, 10, 7).maxTokens, 7u) << "the request's own";
  EXPECT_EQ(driver.submit(3, 90, 50).maxTokens, 10u) << "maxSeqLen";
  driver.drain();
  EXPECT_EQ(driver.saw(Kind::Finished), "2=7 3=10 1=20");
}

TEST(MindieScheduler, Truncation) {
  MindieSettings settings = small();
  settings.maxInputTokenLen = 30;
  Driver refusing = drive(settings);
  EXPECT_EQ(messageOf([&] { refusing.submit(1, 31, 1); }),
            "the prompt has 31 tokens; 1 to 30 are expected (maxInputTokenLen 30, maxSeqLen 2560)");
  EXPECT_EQ(refusing.scheduler->counters().refused, 1u);
  EXPECT_EQ(refusing.saw(Kind::Refused), "1=0");
  settings.truncation = true;
  Driver cutting = drive(settings);
  EXPECT_EQ(cutting.submit(1, 31, 1).inputTokens, 30u);
  EXPECT_EQ(cutting.saw(Kind::Truncated), "1=1");
  cutting.now += ms;
  EXPECT_EQ(cutting.step(), "P1:0+30");
}

TEST(MindieScheduler, RefusesWhatCanNeverBeServed) {
  Driver driver = drive(small(), {4, 0});
  EXPECT_EQ(messageOf([&] { driver.submit(1, 0, 1); }),
            "the prompt has no tokens; at least one is expected");
  EXPECT_EQ(messageOf([&] { driver.submit(1, 1, 0); }),
            "the request is for at most 0 tokens; at least one is expected");
  EXPECT_EQ(messageOf([&] { driver.submit(1, 33, 32); }),
            "a prompt of 33 tokens and an output of up to 32 need 5 KV blocks of 16 tokens; there "
            "are 4");
  MindieSettings settings = small();
  settings.maxPreemptCount = 1;
  Driver preempting = drive(settings, {4, 4});
  EXPECT_EQ(messageOf([&] { preempting.submit(1, 33, 33); }),
            "prompt and output of up to 66 tokens need 5 KV blocks of 16 tokens; there are 4");
}

TEST(MindieScheduler, QueueDelayWaitsForAFullerBatchWhileNothingDecodes) {
  MindieSettings settings = small();
  settings.maxQueueDelayMicroseconds = 5000;
  settings.maxPrefillBatchSize = 2;
  Driver driver(std::make_unique<MindieScheduler>(settings, KvPool{1000, 0}));
  driver.submit(1, 8, 3);
  EXPECT_EQ(driver.step(), "wait 5000");
  driver.now = 5 * ms;
  EXPECT_EQ(driver.step(), "P1:0+8");
  driver.submit(2, 8, 1);
  EXPECT_EQ(driver.step(), "P2:0+8") << "something decodes";
  driver.drain();
  driver.submit(3, 8, 1);
  driver.submit(4, 8, 1);
  EXPECT_EQ(driver.step(), "P3:0+8 P4:0+8") << "the batch is full";
}

TEST(MindieScheduler, SelectBatchWeighsPrefillAgainstDecode) {
  MindieSettings settings = small();
  settings.maxBatchSize = 4;
  settings.maxPrefillBatchSize = 4;
  settings.prefillTimeMsPerReq = 100;
  settings.decodeTimeMsPerReq = 50;
  const auto firstPrefill = [&](const MindieSettings &settings) {
    Driver driver = withRequests(settings, {{8, 40}, {8, 40}});
    driver.step();
    driver.submit(3, 8, 2);
    for (int step = 0;; ++step)
      if (driver.step().starts_with("P3"))
        return step;
  };
  EXPECT_EQ(firstPrefill(settings), 0) << "without selection prefill is always first";
  settings.supportSelectBatch = true;
  // A prefill costs the two that decode 200 ms; each step wastes the two free places 100 ms more.
  EXPECT_EQ(firstPrefill(settings), 1);
  settings.prefillTimeMsPerReq = 250;
  EXPECT_EQ(firstPrefill(settings), 4);
  settings.decodeTimeMsPerReq = 125;
  EXPECT_EQ(firstPrefill(settings), 1);
}

TEST(MindieScheduler, SelectBatchStartsAnewAfterAPrefill) {
  MindieSettings settings = small();
  settings.maxBatchSize = settings.maxPrefillBatchSize = 4;
  settings.supportSelectBatch = true;
  settings.prefillTimeMsPerReq = 100;
  Driver driver = withRequests(settings, {{8, 40}, {8, 40}});
  driver.step();
  driver.submit(3, 8, 40);
  EXPECT_EQ(driver.step(), "D1 D2");
  EXPECT_EQ(driver.step(), "P3:0+8");
  driver.submit(4, 8, 40);
  // 300 ms against 50 more in each step.
  for (int step = 0; step < 5; ++step)
    EXPECT_EQ(driver.step(), "D1 D2 D3");
  EXPECT_EQ(driver.step(), "P4:0+8");
}

TEST(MindieScheduler, MaxFirstTokenWaitTimeEndsTheSelection) {
  MindieSettings settings = small();
  settings.maxBatchSize = settings.maxPrefillBatchSize = 4;
  settings.supportSelectBatch = true;
  settings.prefillTimeMsPerReq = 1000;
  settings.decodeTimeMsPerReq = 0;
  for (int64_t limit : {0, 3, 7}) {
    settings.maxFirstTokenWaitTime = limit;
    Driver driver = withRequests(settings, {{8, 40}});
    driver.step();
    driver.submit(2, 8, 2);
    for (int64_t waited = 0; waited < limit; ++waited, driver.now += ms)
      EXPECT_EQ(driver.step(), "D1") << limit;
    EXPECT_EQ(driver.step(), "P2:0+8") << limit;
  }
}

TEST(MindieScheduler, PrefillPolicies) {
  MindieSettings settings = small();
  settings.maxPrefillBatchSize = 1;
  const auto order = [&](int64_t policy) {
    settings.prefillPolicyType = policy;
    Driver driver = drive(settings);
    driver.now = 0;
    driver.submit(1, 200, 1, 3);
    driver.submit(2, 10, 1, 5);
    driver.submit(3, 70, 1, 1);
    driver.submit(4, 11, 1, 1);
    driver.now = ms;
    return driver.drain();
  };
  const Steps arrival = {"P1:0+200", "P2:0+10", "P3:0+70", "P4:0+11"};
  EXPECT_EQ(order(0), arrival);
  EXPECT_EQ(order(1), arrival);
  EXPECT_EQ(order(2), (Steps{"P3:0+70", "P4:0+11", "P1:0+200", "P2:0+10"}));
  EXPECT_EQ(order(3), (Steps{"P2:0+10", "P4:0+11", "P3:0+70", "P1:0+200"}));
}

/// Three requests where one may decode at a time: a stack's bound, as in the published run A.
TEST(MindieScheduler, DecodePolicies) {
  MindieSettings settings = small();
  settings.maxPrefillBatchSize = 1;
  const auto order = [&](int64_t policy) {
    settings.decodePolicyType = policy;
    Driver driver = drive(settings, {1000, 0}, {1, 1});
    driver.now = 0;
    driver.submit(1, 8, 3, 5);
    driver.submit(2, 8, 3, 1);
    driver.now = ms;
    Steps steps = driver.drain();
    return Steps(steps.begin() + 2, steps.end());
  };
  EXPECT_EQ(order(0), (Steps{"D1", "D1", "D2", "D2"})) << "to completion, in order of arrival";
  EXPECT_EQ(order(1), (Steps{"D1", "D2", "D1", "D2"})) << "whoever has not decoded is first";
  EXPECT_EQ(order(2), (Steps{"D2", "D2", "D1", "D1"}));
  EXPECT_EQ(order(3), (Steps{"D1", "D1", "D2", "D2"})) << "below 32 tokens all are alike";

  settings.decodePolicyType = 3;
  Driver driver = drive(settings, {1000, 0}, {1, 1});
  driver.now = 0;
  driver.submit(1, 8, 34);
  driver.submit(2, 8, 2);
  driver.now = ms;
  const Steps steps = driver.drain();
  EXPECT_EQ(std::ranges::find(steps, "D2") - steps.begin(), 2 + 31)
      << "the first one goes to the second queue with its 32nd token";
}

TEST(MindieScheduler, MixFillsUpWithChunks) {
  MindieSettings settings = small();
  settings.mixed = true;
  settings.maxSeqLen = settings.maxPrefillTokens = 40;
  settings.maxInputTokenLen = 38;
  Driver driver = withRequests(settings, {{30, 3}, {35, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+30 P2:0+10", "P2:10+25 D1", "D1 D2"}));
}

TEST(MindieScheduler, MixCountsDecodesAndPrefills) {
  MindieSettings settings = small();
  settings.mixed = true;
  settings.maxPrefillBatchSize = 1;
  Driver driver = withRequests(settings, {{30, 3}, {5, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+30", "P2:0+5 D1", "D1 D2"}));
}

TEST(MindieScheduler, CacheBlockSizeDecidesWhoFits) {
  MindieSettings settings = small();
  const auto together = [&](int64_t size, uint32_t blocks) {
    settings.cacheBlockSize = size;
    Driver driver = withRequests(settings, {{20, 2}, {20, 2}}, {blocks, 0});
    return driver.step();
  };
  // As many tokens of cache: 20 in and 2 out take two blocks of 128, but three of 16.
  EXPECT_EQ(together(16, 16), "P1:0+20 P2:0+20");
  EXPECT_EQ(together(128, 2), "P1:0+20");
}

TEST(MindieScheduler, WithoutPreemptionRequestsQueueForBlocks) {
  Driver driver = withRequests(small(), {{16, 16}, {16, 32}, {16, 16}}, {4, 0});
  EXPECT_EQ(driver.step(), "P1:0+16");
  EXPECT_EQ(driver.saw(Kind::WaitsForBlocks), "2=1");
  for (int i = 0; i < 15; ++i)
    EXPECT_EQ(driver.step(), "D1");
  EXPECT_EQ(driver.step(), "P2:0+16");
  driver.drain();
  EXPECT_EQ(driver.saw(Kind::WaitsForBlocks), "2=1 3=1") << "once for each";
  EXPECT_EQ(driver.scheduler->counters().waitedForBlocks, 2u);
  EXPECT_EQ(driver.scheduler->counters().stalls, 0u);
  EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 4u);
}

TEST(MindieScheduler, MaxPreemptCountSwapsTheLastOut) {
  MindieSettings settings = small();
  settings.maxPreemptCount = 1;
  // Each begins with one block and needs a second one for its second token.
  Driver driver = withRequests(settings, {{16, 4}, {16, 4}, {16, 4}}, {4, 8});
  EXPECT_EQ(driver.step(), "P1:0+16 P2:0+16 P3:0+16");
  EXPECT_EQ(driver.step(), "D1 D2");
  EXPECT_EQ(driver.saw(Kind::SwappedOut), "3=1");
  EXPECT_EQ(driver.scheduler->hostBlocks().available(), 7u);
  driver.drain();
  EXPECT_EQ(driver.saw(Kind::SwappedIn), "3=1");
  EXPECT_EQ(driver.saw(Kind::Recomputed), "");
  EXPECT_EQ(driver.saw(Kind::Finished), "1=4 2=4 3=4");
  EXPECT_EQ(driver.scheduler->deviceBlocks().counters().movedOut, 1u);
  EXPECT_EQ(driver.scheduler->deviceBlocks().counters().movedIn, 1u);
  EXPECT_EQ(driver.scheduler->hostBlocks().available(), 8u);
}

TEST(MindieScheduler, StallsWhereNoMoreMayBeSwappedOutAndTheFirstRecomputes) {
  MindieSettings settings = small();
  settings.maxPreemptCount = 1;
  // Three blocks for three requests: the first swaps the third out, the second finds nobody behind
  // it and stalls.
  Driver driver = withRequests(settings, {{16, 20}, {16, 20}, {16, 20}}, {3, 1});
  EXPECT_EQ(driver.step(), "P1:0+16 P2:0+16 P3:0+16");
  EXPECT_EQ(driver.step(), "D1");
  EXPECT_EQ(driver.saw(Kind::SwappedOut), "3=1");
  EXPECT_EQ(driver.saw(Kind::Stalled), "2=1");
  // At its third block the first takes it from the second, which cannot be swapped out any more.
  for (int i = 0; i < 15; ++i)
    driver.step();
  EXPECT_EQ(driver.saw(Kind::Recomputed), "");
  EXPECT_EQ(driver.step(), "D1");
  EXPECT_EQ(driver.saw(Kind::Recomputed), "2=16");
  driver.drain();
  EXPECT_EQ(driver.scheduler->counters().finished, 3u);
  EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 3u);
  EXPECT_EQ(driver.scheduler->hostBlocks().available(), 1u);
}

TEST(MindieScheduler, CancelEndsWaitingAndRunningRequests) {
  Driver driver = withRequests(small(), {{16, 9}, {16, 9}});
  driver.submit(3, 16, 9);
  driver.scheduler->cancel(driver.slots[2], driver.now);
  ScheduledStep step;
  EXPECT_EQ(driver.plan(step), "P1:0+16 P3:0+16");
  driver.scheduler->cancel(driver.slots[1], driver.now);
  EXPECT_LT(driver.scheduler->deviceBlocks().available(), 1000u) << "the step still writes there";
  driver.left.erase(1);
  driver.complete(step);
  EXPECT_EQ(driver.step(), "D3");
  driver.drain();
  EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 1000u);
  EXPECT_EQ(driver.scheduler->counters().wastedTokens, 16u) << "the whole prompt";
  EXPECT_EQ(driver.saw(Kind::Finished), "2=0 1=0 3=9");
}

TEST(MindieScheduler, EventsHaveNames) {
  EXPECT_EQ(toString(Kind::Submitted), "submitted");
  EXPECT_EQ(toString(Kind::WaitsForBlocks), "waits_for_blocks");
  EXPECT_EQ(toString(Kind::Finished), "finished");
}

} // namespace
} // namespace vinci
