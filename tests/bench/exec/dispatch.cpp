// What a command costs beyond its work: the region executor beside tbb::parallel_for, on a step of
// 400 commands that follow one another. Arguments: tiles per command, work per tile (iterations of
// an empty loop), threads.
//
// us_per_command is the whole time; overhead_us subtracts the same kernels run by one thread,
// divided by the threads.
#include "runtime/exec/region_executor.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <vector>

namespace vinci {
namespace {

constexpr uint32_t commands = 400;

void spin(void *const *buffers, const uint64_t *, uint32_t) {
  for (uint64_t i = *static_cast<const uint64_t *>(buffers[0]); i > 0; --i)
    asm volatile("");
}

struct Step {
  Step(uint32_t tiles, uint64_t work) : work(work) {
    dims[VINCI_DIM_TOKENS] = tiles;
    for (uint32_t i = 0; i < commands; ++i) {
      list.add({spin, buffers, {VINCI_DIM_TOKENS, 1, 1, 1}, &dims});
      list.barrier();
    }
  }
  /// Seconds of all commands on one thread, without any dispatch.
  double serial() {
    double best = 1e9;
    for (int repeat = 0; repeat < 10; ++repeat) {
      auto start = std::chrono::steady_clock::now();
      for (uint32_t i = 0; i < commands; ++i)
        for (uint32_t tile = 0; tile < dims[VINCI_DIM_TOKENS]; ++tile)
          spin(buffers, dims.values.data(), tile);
      std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      best = std::min(best, time.count());
    }
    return best;
  }

  uint64_t work;
  void *buffers[1] = {&work};
  StepDims dims;
  CommandList list;
};

/// Times each step by itself: on a machine that others use, too, the median and the fastest tenth
/// say more than a mean.
template <typename Run> void measure(benchmark::State &state, Step &step, double threads, Run run) {
  std::vector<double> seconds;
  for (int warmUp = 0; warmUp < 3; ++warmUp)
    run();
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    run();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::sort(seconds);
  double work = step.serial() / threads;
  auto overhead = [&](double time) { return (time - work) / commands * 1e6; };
  state.counters["median_us"] = overhead(seconds[seconds.size() / 2]);
  state.counters["p10_us"] = overhead(seconds[seconds.size() / 10]);
}

void regionExecutor(benchmark::State &state) {
  Step step(uint32_t(state.range(0)), uint64_t(state.range(1)));
  auto threads = uint32_t(state.range(2));
  RegionExecutor executor(threads);
  CommandList *lists[] = {&step.list};
  measure(state, step, double(std::min<int64_t>(threads, state.range(0))),
          [&] { executor.run(lists); });
}

void parallelFor(benchmark::State &state) {
  Step step(uint32_t(state.range(0)), uint64_t(state.range(1)));
  auto threads = int(state.range(2));
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism, size_t(threads));
  tbb::task_arena arena(threads);
  auto run = [&] {
    arena.execute([&] {
      for (uint32_t i = 0; i < commands; ++i)
        tbb::parallel_for(
            uint32_t(0), uint32_t(step.dims[VINCI_DIM_TOKENS]),
            [&](uint32_t tile) { spin(step.buffers, step.dims.values.data(), tile); },
            tbb::static_partitioner());
    });
  };
  measure(state, step, double(std::min<int64_t>(threads, state.range(0))), run);
}

void sizes(benchmark::internal::Benchmark *benchmark) {
  for (int64_t threads : {1, 2})
    for (int64_t tiles : {1, 2, 8, 64})
      for (int64_t work : {0, 4000})
        if (tiles * work <= 32000)
          benchmark->Args({tiles, work, threads});
  benchmark->ArgNames({"tiles", "work", "threads"})->UseRealTime();
}

BENCHMARK(regionExecutor)->Apply(sizes);
BENCHMARK(parallelFor)->Apply(sizes);

} // namespace
} // namespace vinci
