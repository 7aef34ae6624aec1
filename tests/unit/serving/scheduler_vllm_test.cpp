#include "runtime/serving/scheduler_vllm.h"

#include "tests/unit/serving/scheduler_test.h"

namespace vinci {
namespace {

using namespace test;
using Kind = SchedulerEventKind;
using Steps = std::vector<std::string>;

VllmSettings small() {
  VllmSettings settings;
  settings.maxNumSeqs = 4;
  settings.maxNumBatchedTokens = 32;
  settings.maxModelLen = 100;
  settings.blockSize = 16;
  settings.numBlocks = 100;
  return settings;
}

Driver withRequests(const VllmSettings &settings,
                    std::vector<std::pair<uint32_t, uint32_t>> sizes) {
  Driver driver(std::make_unique<VllmScheduler>(settings));
  for (size_t i = 0; i < sizes.size(); ++i)
    driver.submit(i + 1, sizes[i].first, sizes[i].second);
  return driver;
}

TEST(VllmSettings, AreCheckedOneByOne) {
  const auto error = [](auto member, auto value) {
    VllmSettings settings;
    settings.numBlocks = 1000;
    settings.*member = value;
    return messageOf([&] { checkSettings(settings); });
  };
  using S = VllmSettings;
  EXPECT_EQ(error(&S::numBlocks, 1), "no error");
  EXPECT_EQ(error(&S::numBlocks, 0),
            "num-gpu-blocks is 0; an integer from 1 to 2147483647 is expected");
  EXPECT_EQ(error(&S::maxNumSeqs, 0), "max-num-seqs is 0; an integer from 1 to 65536 is expected");
  EXPECT_EQ(error(&S::maxNumSeqs, 8193),
            "max-num-batched-tokens is 8192; an integer from max-num-seqs, which is 8193, to "
            "4194304 is expected");
  EXPECT_EQ(error(&S::maxNumBatchedTokens, 0),
            "max-num-batched-tokens is 0; an integer from 1 to 4194304 is expected");
  EXPECT_EQ(error(&S::maxModelLen, 1),
            "max-model-len is 1; an integer from 2 to 4194304 is expected");
  EXPECT_EQ(error(&S::blockSize, 0), "block-size is 0; an integer from 1 to 1024 is expected");
  VllmSettings whole = small();
  whole.chunkedPrefill = false;
  EXPECT_EQ(messageOf([&] { VllmScheduler scheduler(whole); }),
            "max-num-batched-tokens is 32; without chunked prefill an integer from max-model-len, "
            "which is 100, to 4194304 is expected");
}

TEST(VllmScheduler, OneBudgetForDecodesAndChunks) {
  Driver driver = withRequests(small(), {{20, 3}, {50, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+20 P2:0+12", "P2:12+31 D1", "P2:43+7 D1", "D2"}));
}

TEST(VllmScheduler, MaxNumBatchedTokens) {
  VllmSettings settings = small();
  settings.maxNumBatchedTokens = 64;
  Driver driver = withRequests(settings, {{20, 3}, {50, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+20 P2:0+44", "P2:44+6 D1", "D1 D2"}));
}

TEST(VllmScheduler, MaxNumSeqs) {
  VllmSettings settings = small();
  settings.maxNumSeqs = 1;
  Driver driver = withRequests(settings, {{8, 2}, {8, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+8", "D1", "P2:0+8", "D2"}));
}

TEST(VllmScheduler, MaxModelLen) {
  Driver driver(std::make_unique<VllmScheduler>(small()));
  EXPECT_EQ(driver.submit(1, 60, 50).maxTokens, 40u);
  EXPECT_EQ(messageOf([&] { driver.submit(2, 100, 1); }),
            "the prompt has 100 tokens; 1 to 99 are expected (max-model-len 100)");
  driver.drain();
}

TEST(VllmScheduler, WithoutChunksAPromptIsPrefilledAtOnce) {
  VllmSettings settings = small();
  settings.chunkedPrefill = false;
  settings.maxNumBatchedTokens = 100;
  Driver driver = withRequests(settings, {{60, 3}, {50, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+60", "P2:0+50 D1", "D1 D2"}));
}

TEST(VllmScheduler, AscendPrefillsFirstAndDoesNotMix) {
  VllmSettings settings = small();
  settings.chunkedPrefill = false;
  settings.ascendScheduler = true;
  settings.maxNumBatchedTokens = 100;
  Driver driver = withRequests(settings, {{60, 3}, {50, 2}});
  EXPECT_EQ(driver.drain(), (Steps{"P1:0+60", "P2:0+50", "D1 D2", "D1"}));
  settings.chunkedPrefill = true;
  Driver mixing = withRequests(settings, {{60, 3}, {50, 2}});
  EXPECT_EQ(mixing.drain(), (Steps{"P1:0+60 P2:0+40", "P2:40+10 D1", "D1 D2"}));
}

TEST(VllmScheduler, PreemptsTheLatestAndComputesItAgain) {
  VllmSettings settings = small();
  settings.numBlocks = 3;
  Driver driver = withRequests(settings, {{16, 4}, {16, 4}});
  EXPECT_EQ(driver.step(), "P1:0+16 P2:0+16");
  EXPECT_EQ(driver.step(), "D1");
  EXPECT_EQ(driver.saw(Kind::Recomputed), "2=16");
  EXPECT_EQ(driver.step(), "D1") << "its prompt and first token do not fit";
  EXPECT_EQ(driver.saw(Kind::WaitsForBlocks), "2=1");
  EXPECT_EQ(driver.step(), "D1");
  EXPECT_EQ(driver.step(), "P2:0+17") << "prompt and first token";
  driver.drain();
  EXPECT_EQ(driver.scheduler->counters().recomputed, 1u);
  EXPECT_EQ(driver.scheduler->counters().recomputedTokens, 16u);
  EXPECT_EQ(driver.saw(Kind::Finished), "1=4 2=4");
  EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 3u);
}

TEST(VllmScheduler, BlockSizeDecidesWhoFits) {
  VllmSettings settings = small();
  const auto first = [&](int64_t size, int64_t blocks) {
    settings.blockSize = size;
    settings.numBlocks = blocks;
    return withRequests(settings, {{10, 1}, {10, 1}}).step();
  };
  EXPECT_EQ(first(16, 2), "P1:0+10 P2:0+10");
  EXPECT_EQ(first(32, 1), "P1:0+10");
}

TEST(VllmScheduler, AsyncSchedulingWastesAStepAtAnUnforeseenEnd) {
  VllmSettings settings = small();
  settings.asyncScheduling = true;
  Driver driver(std::make_unique<VllmScheduler>(settings));
  EXPECT_EQ(driver.scheduler->stepsAhead(), 2u);
  driver.submit(1, 8, 10);
  driver.left[1] = 2; // an end token
  ScheduledStep a, b, c;
  EXPECT_EQ(driver.plan(a), "P1:0+8");
  EXPECT_EQ(driver.plan(b), "D1");
  driver.complete(a);
  EXPECT_EQ(driver.plan(c), "D1") << "the end is in the step that is still under way";
  driver.complete(b);
  EXPECT_TRUE(driver.scheduler->idle());
  EXPECT_LT(driver.scheduler->deviceBlocks().available(), 100u);
  EXPECT_EQ(driver.saw(Kind::Finished), "1=2");
  driver.complete(c);
  EXPECT_EQ(driver.scheduler->counters().wastedTokens, 1u);
  EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 100u);
}

TEST(VllmScheduler, AsyncSchedulingForeseesTheLengthLimit) {
  VllmSettings settings = small();
  settings.asyncScheduling = true;
  Driver driver(std::make_unique<VllmScheduler>(settings));
  driver.submit(1, 8, 2);
  ScheduledStep a, b, c;
  EXPECT_EQ(driver.plan(a), "P1:0+8");
  EXPECT_EQ(driver.plan(b), "D1");
  driver.complete(a);
  EXPECT_EQ(driver.plan(c), "-");
  driver.complete(b);
  EXPECT_EQ(driver.scheduler->counters().wastedTokens, 0u);
  EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 100u);
}

TEST(VllmScheduler, PrefixCachingSkipsFullBlocks) {
  std::vector<int32_t> ids(48);
  for (int32_t i = 0; i < 48; ++i)
    ids[size_t(i)] = i;
  const std::vector<uint64_t> hashes = hashBlocks(ids, 16);
  const auto serve = [&](bool caching) {
    VllmSettings settings = small();
    settings.maxNumBatchedTokens = 64;
    settings.prefixCaching = caching;
    Driver driver(std::make_unique<VllmScheduler>(settings));
    driver.submit(1, 40, 2, 5, hashes);
    Steps steps = driver.drain();
    driver.submit(2, 48, 3, 5, hashes);
    steps.push_back(driver.step());
    driver.submit(3, 33, 1, 5, hashes);
    steps.push_back(driver.step());
    EXPECT_EQ(driver.scheduler->counters().prefixTokensFound, caching ? 64u : 0u);
    EXPECT_EQ(driver.scheduler->counters().prefixTokensAsked, caching ? 121u : 0u);
    driver.drain();
    EXPECT_EQ(driver.scheduler->deviceBlocks().available(), 100u);
    return steps;
  };
  EXPECT_EQ(serve(true), (Steps{"P1:0+40", "D1", "P2:32+16", "P3:32+1 D2"}));
  EXPECT_EQ(serve(false), (Steps{"P1:0+40", "D1", "P2:0+48", "P3:0+33 D2"}));
}

TEST(VllmScheduler, APromptThatIsCachedWholeStillComputesItsEnd) {
  const std::vector<int32_t> ids(32, 7);
  Driver driver(std::make_unique<VllmScheduler>(small()));
  driver.submit(1, 32, 1, 5, hashBlocks(ids, 16));
  EXPECT_EQ(driver.step(), "P1:0+32");
  driver.submit(2, 32, 1, 5, hashBlocks(ids, 16));
  EXPECT_EQ(driver.step(), "P2:16+16");
}

TEST(VllmScheduler, SharedBlocksAreInTwoTables) {
  const std::vector<int32_t> ids(16, 7);
  Driver driver(std::make_unique<VllmScheduler>(small()));
  driver.submit(1, 20, 9, 5, hashBlocks(ids, 16));
  driver.submit(2, 21, 9, 5, hashBlocks(ids, 16));
  driver.step();
  driver.step();
  const auto a = driver.scheduler->blocks(driver.slots[1]);
  const auto b = driver.scheduler->blocks(driver.slots[2]);
  ASSERT_EQ(a.size(), 2u);
  ASSERT_EQ(b.size(), 2u);
  EXPECT_EQ(a[0], b[0]);
  EXPECT_EQ(driver.scheduler->deviceBlocks().references(a[0]), 2u);
  EXPECT_NE(a[1], b[1]);
}

} // namespace
} // namespace vinci
