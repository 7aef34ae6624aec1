// What it costs to time a command: one evaluation of each family, with its range. The budget is
// 200 ns (docs/cost-model.md).
#include "runtime/device/cost_model.h"

#include <benchmark/benchmark.h>

namespace vinci {
namespace {

const CostModel &model() {
  static const CostModel model(*findDeviceSpec("910b3"));
  return model;
}

void time(benchmark::State &state, const Cost &cost, uint64_t tokens) {
  StepRecord step;
  for (uint64_t i = 0; i < tokens; ++i)
    step.addSequence(1, 4000);
  const CommandContext context = {.group = model().spec().firstDevices(8)};
  for (auto _ : state) {
    benchmark::DoNotOptimize(step);
    benchmark::DoNotOptimize(model().time(cost, step, context));
  }
}

constexpr SymbolicCount tokens = {VINCI_DIM_TOKENS, 1};

BENCHMARK_CAPTURE(time, vector, Cost{.rows = tokens, .rowBytes = 30000}, 32);
BENCHMARK_CAPTURE(time, matmul_of_8,
                  Cost{.kind = CostClass::Matmul,
                       .rows = tokens,
                       .n = 13824,
                       .k = 5120,
                       .fixedBytes = 13824 * 5120 * 2,
                       .rowBytes = 40000},
                  8);
BENCHMARK_CAPTURE(time, matmul_of_4096,
                  Cost{.kind = CostClass::Matmul,
                       .rows = tokens,
                       .n = 13824,
                       .k = 5120,
                       .fixedBytes = 13824 * 5120 * 2,
                       .rowBytes = 40000},
                  4096);
BENCHMARK_CAPTURE(time, grouped_matmul,
                  Cost{.kind = CostClass::GroupedMatmul,
                       .rows = tokens,
                       .n = 384,
                       .k = 4096,
                       .groups = 128,
                       .experts = 128,
                       .topK = 8,
                       .fixedBytes = 128 * 384 * 4096,
                       .rowBytes = 5000},
                  32);
BENCHMARK_CAPTURE(time, attention,
                  Cost{.kind = CostClass::Attention, .heads = 8, .kvHeads = 2, .headDim = 128}, 32);
BENCHMARK_CAPTURE(time, all_reduce,
                  Cost{.kind = CostClass::Collective, .rows = tokens, .rowBytes = 8192}, 32);

} // namespace
} // namespace vinci
