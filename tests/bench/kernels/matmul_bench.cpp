// Matmul kernels beside a read-only sweep of the same weights, in the same process and interleaved:
// machines drift, so only the ratio means something. One thread; medians.
//
//   decode   few rows: GB/s of weights as they are read (bfloat16 in some 12 bits), and `of_read`,
//   the
//            share of what the sweep reaches
//   prefill  many rows: GFLOP/s
#include "tests/bench/kernels/kernel_bench.h"

namespace vinci::bench {
namespace {

/// rows x n x k; the copies of the weight are used in turn.
void matmul(benchmark::State &state, const std::string &dtype, const std::string &cpu) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const uint64_t footprint = static_cast<uint64_t>(state.range(3)) << 20;
  const KernelSpec spec{"matmul",
                        {{"dtype", dtype},
                         {"out_dtype", dtype},
                         {"n", n},
                         {"k", k},
                         {"bias", int64_t{0}},
                         {"rows", std::string("tokens")}}};
  const BenchKernel kernel(spec, cpu);
  const Weights weights(n, k, spec.dtype(), footprint);
  const uint64_t bytes = weights.bytesRead();
  const HugeMemory x(rows * k * 4), out(rows * n * 4);
  const uint64_t dims[] = {1, static_cast<uint64_t>(rows), 1, 1, 1};
  std::vector<double> reading, computing;
  uint64_t copy = 0;
  for (auto _ : state) {
    reading.push_back(
        secondsOf([&] { benchmark::DoNotOptimize(sweep(weights.copy(copy), bytes)); }));
    void *buffers[] = {out.data(), x.data(), weights.copy(copy + weights.copies() / 2)};
    computing.push_back(secondsOf([&] { kernel.run(buffers, dims); }));
    state.SetIterationTime(computing.back());
    ++copy;
  }
  const double time = median(computing);
  state.counters["GB/s"] = static_cast<double>(bytes) / time / 1e9;
  state.counters["of_read"] = median(reading) / time;
  state.counters["GFLOP/s"] = 2e-9 * static_cast<double>(rows * n * k) / time;
}

} // namespace

void registerMatmul() {
  for (const std::string &cpu : runnableCpus())
    for (const char *dtype : {"bfloat16", "float16", "float32"}) {
      const std::string suffix = std::string("/") + dtype + "/" + cpu;
      auto *decode = benchmark::RegisterBenchmark(("decode" + suffix).c_str(), matmul, dtype, cpu);
      for (const int64_t rows : {1, 2, 4, 8, 16, 32})
        for (const int64_t footprint :
             {8, 512}) // a small model in the last cache, a large one in memory
          decode->Args({rows, 1024, 1024, footprint});
      auto *prefill =
          benchmark::RegisterBenchmark(("prefill" + suffix).c_str(), matmul, dtype, cpu);
      for (const int64_t k : {1024, 2048, 3072})
        prefill->Args({512, 1024, k, 64});
      prefill->Args({512, 3072, 1024, 64});
      prefill->Args({512, 4096, 4096, 64});
      for (auto *bench : {decode, prefill})
        bench->ArgNames({"rows", "n", "k", "MiB"})->UseManualTime()->Unit(benchmark::kMicrosecond);
    }
}

} // namespace vinci::bench
