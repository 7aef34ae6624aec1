// What a simulation of serving costs. Arguments: requests, tokens of each answer, clients.
// ns_per_token is for each token of the answers, with everything around it.
#include "runtime/serving/metrics.h"
#include "runtime/serving/scheduler_vllm.h"

#include <benchmark/benchmark.h>
#include <chrono>

namespace vinci {
namespace {

/// A step of about 30 ms, which grows with batch and context.
class LinearTimer final : public StepTimer {
public:
  StepTime time(const StepShape &shape) override {
    int64_t tokens = 0, context = 0;
    for (const StepShape::Part &part : shape.prefills)
      tokens += part.tokens;
    for (uint32_t cached : shape.decodeContexts)
      context += cached;
    return {25'000'000 + tokens * 30'000 + context * 100, 1'000'000};
  }
};

void measureSimulation(benchmark::State &state, auto makeScheduler) {
  RequestShape shape;
  shape.requests = uint64_t(state.range(0));
  shape.inputTokens = LengthDistribution::parse("uniform:50-500", "input_tokens", {});
  shape.outputTokens =
      LengthDistribution::parse(fmt::format("fixed:{}", state.range(1)), "output_tokens", {});
  SimulationOptions options;
  options.servingGapNs = 4'200'000;
  double seconds = 0;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    const std::unique_ptr<Scheduler> scheduler = makeScheduler();
    Load load = Load::closedLoop(shape, uint64_t(state.range(2)));
    LinearTimer timer;
    const SimulationResult result = simulate(*scheduler, load, timer, options);
    benchmark::DoNotOptimize(measure(result).ttftMs.mean);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  state.counters["ns_per_token"] =
      seconds * 1e9 / double(state.iterations() * state.range(0) * state.range(1));
}

void mindie(benchmark::State &state) {
  measureSimulation(state, [] {
    return std::make_unique<MindieScheduler>(MindieSettings(), KvPool{100000, 0});
  });
}

void vllm(benchmark::State &state) {
  measureSimulation(state, [] {
    VllmSettings settings;
    settings.numBlocks = 100000;
    settings.asyncScheduling = true;
    return std::make_unique<VllmScheduler>(settings);
  });
}

void loads(benchmark::internal::Benchmark *benchmark) {
  benchmark->ArgNames({"requests", "tokens", "clients"})
      ->Args({1000, 500, 64})
      ->Args({1000, 500, 10})
      ->Args({10000, 500, 200})
      ->Unit(benchmark::kMillisecond);
}

BENCHMARK(mindie)->Apply(loads);
BENCHMARK(vllm)->Apply(loads);

} // namespace
} // namespace vinci
