// What a command costs beyond its work: the region executor beside tbb::parallel_for, on a step of
// 400 commands that follow one another. Arguments: tiles per command, work per tile (iterations of
// an empty loop), threads.
//
// median_us and p10_us are what is left of the time of a command when the same kernels run by one
// thread, divided by the threads, are subtracted.
//
// The `uneven` ones have a second thread at half speed, as on a core that shares its arithmetic
// with a neighbour: `of_ideal` is the time with the work divided as the speeds are, over the
// median.
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

/// As spin, but the arena's second thread is half as fast.
void spinUnevenly(void *const *buffers, const uint64_t *dims, uint32_t tile) {
  for (int i = tbb::this_task_arena::current_thread_index(); i >= 0; --i)
    spin(buffers, dims, tile);
}

struct Step {
  Step(uint32_t tiles, uint64_t work, VinciKernel kernel = spin) : work(work) {
    dims[VINCI_DIM_TOKENS] = tiles;
    for (uint32_t i = 0; i < commands; ++i) {
      list.add({kernel, buffers, {VINCI_DIM_TOKENS, 1, 1, 1}, &dims});
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

/// Sorted seconds of each step by itself: on a machine that others use, too, the median and the
/// fastest tenth say more than a mean.
template <typename Run> std::vector<double> timesOf(benchmark::State &state, Run run) {
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
  return seconds;
}

template <typename Run> void measure(benchmark::State &state, Step &step, double threads, Run run) {
  const std::vector<double> seconds = timesOf(state, run);
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

/// `step` by tbb::parallel_for, a command after another.
class ParallelFor {
public:
  ParallelFor(Step &step, VinciKernel kernel, int threads)
      : step_(step), kernel_(kernel),
        limit_(tbb::global_control::max_allowed_parallelism, size_t(threads)), arena_(threads) {}

  void operator()() {
    arena_.execute([&] {
      for (uint32_t i = 0; i < commands; ++i)
        tbb::parallel_for(
            uint32_t(0), uint32_t(step_.dims[VINCI_DIM_TOKENS]),
            [&](uint32_t tile) { kernel_(step_.buffers, step_.dims.values.data(), tile); },
            tbb::static_partitioner());
    });
  }

private:
  Step &step_;
  VinciKernel kernel_;
  tbb::global_control limit_;
  tbb::task_arena arena_;
};

void parallelFor(benchmark::State &state) {
  Step step(uint32_t(state.range(0)), uint64_t(state.range(1)));
  auto threads = int(state.range(2));
  ParallelFor run(step, spin, threads);
  measure(state, step, double(std::min<int64_t>(threads, state.range(0))), run);
}

/// Two threads, of speeds 1 and 1/2, get through a third of the tiles in the time of the other two.
template <typename Run> void measureUneven(benchmark::State &state, Run run) {
  const std::vector<double> seconds = timesOf(state, run);
  Step even(uint32_t(state.range(0)), uint64_t(state.range(1)));
  state.counters["of_ideal"] = even.serial() / 1.5 / seconds[seconds.size() / 2];
}

void unevenRegionExecutor(benchmark::State &state) {
  Step step(uint32_t(state.range(0)), uint64_t(state.range(1)), spinUnevenly);
  RegionExecutor executor(2);
  CommandList *lists[] = {&step.list};
  measureUneven(state, [&] { executor.run(lists); });
}

void unevenParallelFor(benchmark::State &state) {
  Step step(uint32_t(state.range(0)), uint64_t(state.range(1)), spinUnevenly);
  measureUneven(state, ParallelFor(step, spinUnevenly, 2));
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
BENCHMARK(unevenRegionExecutor)
    ->Args({64, 4000})
    ->Args({16, 40000})
    ->ArgNames({"tiles", "work"})
    ->UseRealTime();
BENCHMARK(unevenParallelFor)
    ->Args({64, 4000})
    ->Args({16, 40000})
    ->ArgNames({"tiles", "work"})
    ->UseRealTime();

} // namespace
} // namespace vinci
