#include "runtime/serving/steady_state.h"

#include "runtime/serving/metrics.h"
#include "runtime/serving/scheduler_vllm.h"
#include "tests/unit/serving/simulation_test.h"

namespace vinci {
namespace {

using namespace test;

/// A step of 20 ms, more for each token of a prompt, for batch and context.
class GrowingTimer final : public StepTimer {
public:
  StepTime time(const StepShape &shape) override {
    int64_t ns = 20 * ms;
    for (const StepShape::Part &part : shape.prefills)
      ns += part.tokens * 30 * us;
    for (uint32_t context : shape.decodeContexts)
      ns += 50 * us + context * 10;
    return {ns, 1 * ms};
  }
};

ServingMetrics simulated(const SteadyLoad &load) {
  VllmSettings settings;
  settings.maxNumSeqs = load.clients;
  settings.maxNumBatchedTokens = load.tokensPerStep;
  settings.maxModelLen = load.inputTokens + load.outputTokens;
  settings.numBlocks = 100000;
  settings.asyncScheduling = load.plansAhead;
  settings.prefixCaching = false;
  VllmScheduler scheduler(settings);
  const std::string inputs = fmt::format("fixed:{}", load.inputTokens);
  // Different lengths, or the clients stay in step with each other for ever.
  const std::string outputs = fmt::format("uniform:{}-{}", load.outputTokens / 2,
                                          load.outputTokens + load.outputTokens / 2);
  Load requests = Load::closedLoop(shape(20 * load.clients, inputs, outputs), load.clients);
  GrowingTimer timer;
  SimulationOptions options;
  options.servingGapNs = load.gapNs;
  return measure(simulate(scheduler, requests, timer, options));
}

TEST(SteadyState, IsWhatALongSimulationComesTo) {
  for (const bool plansAhead : {false, true})
    for (const SteadyLoad &load :
         {SteadyLoad{.clients = 1, .inputTokens = 300, .outputTokens = 100, .tokensPerStep = 512},
          SteadyLoad{.clients = 16, .inputTokens = 300, .outputTokens = 200, .tokensPerStep = 512},
          SteadyLoad{.clients = 64, .inputTokens = 1000, .outputTokens = 400, .tokensPerStep = 512},
          SteadyLoad{
              .clients = 32, .inputTokens = 4000, .outputTokens = 500, .tokensPerStep = 2048}}) {
      SteadyLoad with = load;
      with.gapNs = 4 * ms;
      with.plansAhead = plansAhead;
      GrowingTimer timer;
      const SteadyState state = steadyState(timer, with);
      const ServingMetrics metrics = simulated(with);
      const std::string what = fmt::format("{} clients, plans ahead {}", load.clients, plansAhead);
      EXPECT_NEAR(state.tpotMs, metrics.tpotMs.mean, 0.1 * metrics.tpotMs.mean) << what;
      EXPECT_NEAR(state.outputTokensPerS, metrics.outputTokensPerS, 0.12 * metrics.outputTokensPerS)
          << what;
      EXPECT_NEAR(state.ttftMs, metrics.ttftMs.mean, 0.35 * metrics.ttftMs.mean) << what;
    }
}

TEST(SteadyState, PromptsAloneMayFillTheDevice) {
  GrowingTimer timer;
  const SteadyLoad load = {
      .clients = 64, .inputTokens = 4000, .outputTokens = 2, .tokensPerStep = 1024};
  const SteadyState state = steadyState(timer, load);
  EXPECT_GT(state.ttftMs, 10 * state.tpotMs) << "clients queue for their prompts";
  EXPECT_NEAR(state.requestsPerS * 2, state.outputTokensPerS, 1e-9 * state.outputTokensPerS);
}

TEST(SteadyState, MoreBandwidthIsNeverSlower) {
  class Faster final : public StepTimer {
  public:
    StepTime time(const StepShape &shape) override {
      StepTime time = GrowingTimer().time(shape);
      time.deviceNs = time.deviceNs * 9 / 10;
      return time;
    }
  };
  for (uint32_t clients : {1u, 7u, 64u}) {
    const SteadyLoad load = {
        .clients = clients, .inputTokens = 700, .outputTokens = 100, .tokensPerStep = 512};
    GrowingTimer slow;
    Faster fast;
    EXPECT_LE(steadyState(fast, load).tpotMs, steadyState(slow, load).tpotMs);
    EXPECT_GE(steadyState(fast, load).requestsPerS, steadyState(slow, load).requestsPerS);
  }
}

TEST(SteadyState, ALoadOfNothingIsRefused) {
  GrowingTimer timer;
  EXPECT_EQ(
      messageOf([&] { steadyState(timer, {.clients = 0}); }),
      "0 clients, prompts of 1 tokens, outputs of 1 and 1 tokens per step; at least 1 of each "
      "is expected");
}

} // namespace
} // namespace vinci
