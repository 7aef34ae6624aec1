#include "runtime/serving/load.h"

#include "tests/unit/serving/simulation_test.h"

#include <cmath>

namespace vinci {
namespace {

using namespace test;

TEST(Load, ClosedLoopWaitsForAnswers) {
  Load load = Load::closedLoop(shape(4, "fixed:10", "fixed:5"), 2);
  EXPECT_EQ(load.concurrency(), 2u);
  EXPECT_EQ(load.nextNs(), 0);
  EXPECT_EQ(load.take().index, 0u);
  EXPECT_EQ(load.take().index, 1u);
  EXPECT_EQ(load.nextNs(), Load::never);
  load.answered(50);
  EXPECT_EQ(load.nextNs(), 50);
  const LoadRequest request = load.take();
  EXPECT_EQ(request.index, 2u);
  EXPECT_EQ(request.sentNs, 50);
  EXPECT_EQ(request.inputTokens, 10u);
  EXPECT_EQ(request.outputTokens, 5u);
  EXPECT_EQ(request.maxTokens, 5u);
  load.answered(60);
  load.take();
  load.answered(70);
  EXPECT_EQ(load.nextNs(), Load::never) << "that was the last one";
}

TEST(Load, ClientsThinkForDifferentTimes) {
  Load load = Load::closedLoop(shape(20000, "fixed:10", "fixed:5"), 2, 1000);
  load.take();
  double sum = 0;
  int64_t least = 2000, most = 0, now = 0;
  while (load.nextNs() != Load::never) {
    const int64_t sent = load.take().sentNs;
    const int64_t thought = sent - now;
    sum += double(thought);
    least = std::min(least, thought);
    most = std::max(most, thought);
    load.answered(now = sent);
  }
  EXPECT_NEAR(sum / 19999, 1000, 15);
  EXPECT_LT(least, 5);
  EXPECT_GT(most, 1995);
  EXPECT_LE(most, 2000);
}

TEST(Load, AClientMayOvertakeOneThatThinksLonger) {
  Load load = Load::closedLoop(shape(50, "fixed:10", "fixed:5"), 20, 1000);
  for (int i = 0; i < 20; ++i)
    load.take();
  for (int i = 0; i < 20; ++i)
    load.answered(i);
  int64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const int64_t sent = load.take().sentNs;
    EXPECT_GE(sent, last);
    last = sent;
  }
}

TEST(Load, ClosedLoopHasNoMoreClientsThanRequests) {
  Load load = Load::closedLoop(shape(1, "fixed:10", "fixed:5"), 8);
  load.take();
  EXPECT_EQ(load.nextNs(), Load::never);
}

TEST(Load, OpenLoopIsAPoissonProcess) {
  constexpr uint64_t requests = 50000;
  Load load = Load::openLoop(shape(requests, "fixed:10", "fixed:5"), 4);
  double sum = 0, squares = 0;
  int64_t last = 0;
  for (uint64_t i = 0; i < requests; ++i) {
    const int64_t at = load.take().sentNs;
    const double gap = double(at - last) * 1e-9;
    ASSERT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
    last = at;
  }
  EXPECT_EQ(load.nextNs(), Load::never);
  const double mean = sum / requests;
  EXPECT_NEAR(mean, 0.25, 0.004);
  EXPECT_NEAR(std::sqrt(squares / requests - mean * mean), 0.25, 0.006) << "as the mean";
}

TEST(Load, DependsOnTheSeedOnly) {
  const auto arrivals = [](uint64_t seed) {
    Load load = Load::openLoop(shape(20, "uniform:1-1000", "uniform:1-1000", 0, seed), 4);
    std::vector<int64_t> all;
    while (load.nextNs() != Load::never) {
      const LoadRequest request = load.take();
      all.insert(all.end(), {request.sentNs, request.inputTokens, request.outputTokens});
    }
    return all;
  };
  EXPECT_EQ(arrivals(3), arrivals(3));
  EXPECT_NE(arrivals(3), arrivals(4));
}

TEST(Load, MaxTokensAndPrefix) {
  RequestShape wanted = shape(1, "fixed:10", "fixed:5", 7);
  wanted.prefixTokens = 64;
  const LoadRequest request = Load::closedLoop(wanted, 1).take();
  EXPECT_EQ(request.maxTokens, 7u);
  EXPECT_EQ(request.prefixTokens, 10u) << "all of the prompt";
}

TEST(Load, OfATrace) {
  Load load = Load::trace({{5, 61, 512, 600, 2, 7, 32}, {9, 1, 2, 2, 5, 0, 0}});
  EXPECT_EQ(load.requests(), 2u);
  EXPECT_EQ(load.concurrency(), std::nullopt);
  EXPECT_EQ(load.nextNs(), 5);
  const LoadRequest request = load.take();
  EXPECT_EQ(request.inputTokens, 61u);
  EXPECT_EQ(request.outputTokens, 512u);
  EXPECT_EQ(request.maxTokens, 600u);
  EXPECT_EQ(request.priority, 2u);
  EXPECT_EQ(request.prefix, 7u);
  EXPECT_EQ(request.prefixTokens, 32u);
  load.answered(100);
  EXPECT_EQ(load.nextNs(), 9);
  load.take();
  EXPECT_EQ(load.nextNs(), Load::never);
}

TEST(Load, RefusesWhatIsNone) {
  const RequestShape one = shape(1, "fixed:10", "fixed:5"), none = shape(0, "fixed:10", "fixed:5");
  EXPECT_EQ(messageOf([&] { Load::closedLoop(none, 1); }),
            "the load has 0 requests; at least 1 is expected");
  EXPECT_EQ(messageOf([&] { Load::openLoop(none, 1); }),
            "the load has 0 requests; at least 1 is expected");
  EXPECT_EQ(messageOf([&] { Load::closedLoop(one, 0); }),
            "the load has a concurrency of 0; at least 1 is expected");
  EXPECT_EQ(messageOf([&] { Load::closedLoop(one, 1, -1); }),
            "clients think for -1 ns between answer and request; at least 0 is expected");
  for (double rate : {0.0, -1.0, 1e-12})
    EXPECT_EQ(messageOf([&] { Load::openLoop(one, rate); }),
              fmt::format("the load has {} requests a second; a rate above 0 is expected, at which "
                          "1 requests take less than a century",
                          rate));
}

} // namespace
} // namespace vinci
