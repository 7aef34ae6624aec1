// The published benchmark of QwQ-32B on MindIE: 200 questions of gsm8k, ten clients. The times of
// steps are constants, so that what is tested is scheduling: 27.7 ms for a decode step at batch 1
// and 28.2 ms at 10, 68 ms for a prefill and 9 ms for each further prompt in it, serving gap
// included. The 68 ms were fitted to the published first tokens on the assumption that a request
// comes at any time within a decode step, which clients do that think for half a step on average.
#include "runtime/serving/metrics.h"
#include "runtime/serving/mindie_tables.h"
#include "tests/unit/serving/simulation_test.h"

namespace vinci {
namespace {

using namespace test;

class PublishedTimer final : public StepTimer {
public:
  StepTime time(const StepShape &shape) override {
    if (!shape.prefills.empty())
      return {68 * ms + 9 * ms * int64_t(shape.prefills.size() - 1), 0};
    return {27700 * us + 500 * us * (int64_t(shape.decodeContexts.size()) - 1) / 9, 0};
  }
};

constexpr std::string_view questions =
    "quantiles:0=25,0.5=63.41,0.75=71,0.9=87.2,0.99=110.05,1=139";
constexpr std::string_view answersOfRunA = "quantiles:0=70,0.28362=512,1=512"; // mean 449.32
constexpr std::string_view answersOfRunB = "quantiles:0=70,0.13543=512,1=512"; // mean 482.07
constexpr std::string_view answersOfRun0 = "quantiles:0=70,0.28903=512,1=512"; // mean 448.12

struct Benchmark {
  int64_t maxPrefillBatchSize;
  double npuMemSize;
  std::string_view stack;
  std::string_view answers;
  uint64_t requests = 200;
};

SimulationResult simulateRun(const Benchmark &run) {
  const StackProfile &stack = stackProfile(run.stack);
  MindieSettings settings;
  settings.maxPrefillBatchSize = run.maxPrefillBatchSize;
  settings.npuMemSize = run.npuMemSize;
  const KvGeometry qwq = {.layers = 64, .kvHeads = 2, .headDim = 128};
  MindieScheduler scheduler(settings, kvPool(settings, qwq), stack.batchBounds());
  Load load = Load::closedLoop(shape(run.requests, questions, run.answers, 512), 10, 14100 * us);
  PublishedTimer timer;
  SimulationOptions options = simulationOptions(stack);
  options.servingGapNs = 0; // in the timer's constants
  return simulate(scheduler, load, timer, options);
}

const Benchmark runA = {1, 35, "mindie-1.0.t71-ms", answersOfRunA};
const Benchmark runB = {50, 35, "mindie-1.0.0-ms", answersOfRunB};

void expectNear(double simulated, double published, std::string_view what, double share = 0.08) {
  EXPECT_NEAR(simulated, published, published * share) << what;
  testing::Test::RecordProperty(std::string(what), fmt::format("{:.4g}", simulated));
}

TEST(PublishedRuns, RunB) {
  const ServingMetrics metrics = measure(simulateRun(runB));
  EXPECT_EQ(metrics.requests, 200u);
  expectNear(metrics.elapsedS, 294.5528, "elapsed");
  expectNear(metrics.outputTokensPerS, 327.3233, "GenerateSpeed");
  expectNear(metrics.ttftMs.mean, 97.07, "FirstTokenTime");
  expectNear(metrics.interTokenMs.mean, 29.1162, "DecodeTime");
  expectNear(metrics.e2eMs.mean, 14356.007, "GenerateTime");
  expectNear(metrics.outputTokensPerSPerRequest, 33.58, "GeneratedTokenSpeed");
}

// Prefill has priority, so first tokens come at once; then one sequence decodes at a time, first
// come first served, and each request waits for nine others between its first and second token.
TEST(PublishedRuns, RunA) {
  const ServingMetrics metrics = measure(simulateRun(runA));
  expectNear(metrics.elapsedS, 2502.9557, "elapsed");
  expectNear(metrics.outputTokensPerS, 35.9032, "GenerateSpeed");
  expectNear(metrics.largestGapMs.mean, 110540.058, "MaxDecodeTime");
  expectNear(metrics.e2eMs.mean, 122445.6956, "GenerateTime");
  expectNear(metrics.interTokenMs.mean, 272.8685, "DecodeTime");
  // Of the lengths of the shorter answers, which this depends on, only the mean is known.
  expectNear(metrics.tpotMs.p90, 507.8787, "DecodeTime, SLO_P90", 0.15);
  // The opening burst: ten prefills in a row.
  expectNear(metrics.ttftMs.max, 766.6764, "FirstTokenTime, max", 0.15);
}

TEST(PublishedRuns, TableOfRunA) {
  const SimulationResult result = simulateRun(runA);
  const Table table = mindieTable(result, {});
  const auto row = [&](std::string_view name) {
    for (const auto &cells : table)
      if (cells.front() == name)
        return cells;
    return std::vector<std::string>();
  };
  using Cells = std::vector<std::string>;
  EXPECT_EQ(row("PrefillBatchsize"),
            (Cells{"PrefillBatchsize", "1.0", "1", "1", "1.0", "1.0", "1.0", "1.0", "200"}));
  EXPECT_EQ(row("DecoderBatchsize"),
            (Cells{"DecoderBatchsize", "1.0", "1", "1", "1.0", "1.0", "/", "1.0", "200"}));
  expectNear(std::stod(row("QueueWaitTime")[1]), 246183.0655, "QueueWaitTime");
  expectNear(std::stod(row("DecodeTime")[5]), 29.1581, "DecodeTime, P90");
}

TEST(PublishedRuns, TableOfRunB) {
  const SimulationResult result = simulateRun(runB);
  expectNear(result.decodeBatches.mean(), 9.7255, "DecoderBatchsize");
  EXPECT_EQ(result.decodeBatches.max(), 10);
}

// The limit on prefill batches alone would not have cost anything.
TEST(PublishedRuns, ALimitOnPrefillAloneCostsLittle) {
  const ServingMetrics metrics = measure(simulateRun({1, 35, "mindie-1.0.0-ms", answersOfRunA}));
  expectNear(metrics.outputTokensPerS, 330, "GenerateSpeed");
}

TEST(PublishedRuns, MoreMemoryForTheCacheGainsNothing) {
  Benchmark less = runA;
  less.npuMemSize = 8;
  expectNear(measure(simulateRun(less)).outputTokensPerS,
             measure(simulateRun(runA)).outputTokensPerS, "GenerateSpeed", 0.01);
}

TEST(PublishedRuns, Run0WithAllQuestions) {
  const SimulationResult result = simulateRun({1, 8, "mindie-1.0.t71-ms", answersOfRun0, 8792});
  const ServingMetrics metrics = measure(result);
  EXPECT_EQ(metrics.requests, 8792u);
  expectNear(metrics.outputTokensPerS, 37.7808, "GenerateSpeed");
  expectNear(metrics.requestsPerS, 0.0843, "Throughput");
  expectNear(metrics.elapsedS, 104279.0743, "TimeElapsed");
}

TEST(PublishedRuns, TheOlderStackRefusesTheTunedSetting) {
  Benchmark run = runB;
  run.stack = "mindie-1.0.t71-ms";
  EXPECT_EQ(messageOf([&] { simulateRun(run); }),
            "scheduleParam.maxPrefillBatchSize [50] is out of bound [1]");
}

} // namespace
} // namespace vinci
