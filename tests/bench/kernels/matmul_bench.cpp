// Matmul kernels beside a read-only sweep of the same weights, in the same process and interleaved:
// machines drift, so only the ratio means something. One thread; medians.
//
//   decode   few rows: GB/s of weights, and `of_read`, the share of what the sweep reaches
//   prefill  many rows: GFLOP/s
#include "backend/codegen/codegen.h"
#include "runtime/exec/cpu_features.h"
#include "runtime/exec/kernel_linker.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstring>
#include <sys/mman.h>
#include <vector>

namespace vinci {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

/// Memory on huge pages, filled with finite numbers of any type.
std::byte *allocate(uint64_t bytes) {
  constexpr uint64_t huge = 2 << 20;
  bytes = (bytes + huge - 1) / huge * huge;
  auto *data = static_cast<std::byte *>(std::aligned_alloc(huge, bytes));
  madvise(data, bytes, MADV_HUGEPAGE);
  std::memset(data, 0x2C, bytes);
  return data;
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

/// Reads `bytes` as two streams with prefetch: the most that one thread gets out of the memory.
__attribute__((target("avx2"))) uint64_t sweep(const std::byte *data, uint64_t bytes) {
  using Half = uint64_t __attribute__((vector_size(32)));
  const uint64_t half = bytes / 2;
  Half sums[4] = {};
  for (uint64_t i = 0; i < half; i += 64)
    for (uint64_t stream = 0; stream < 2; ++stream) {
      const std::byte *at = data + stream * half + i;
      __builtin_prefetch(at + 1024);
      sums[stream * 2] += *reinterpret_cast<const Half *>(at);
      sums[stream * 2 + 1] += *reinterpret_cast<const Half *>(at + 32);
    }
  const Half sum = sums[0] + sums[1] + sums[2] + sums[3];
  return sum[0] + sum[1] + sum[2] + sum[3];
}

/// rows x n x k; as many copies of the weight as fill `footprint` bytes are used in turn, so that
/// they come from where a model of that size would have them.
void matmul(benchmark::State &state, const std::string &dtype, const std::string &cpu) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const uint64_t footprint = static_cast<uint64_t>(state.range(3)) << 20;
  const CpuTarget target = resolveCpu(cpu);
  const KernelSpec spec{"matmul",
                        {{"dtype", dtype},
                         {"out_dtype", dtype},
                         {"n", n},
                         {"k", k},
                         {"bias", int64_t{0}},
                         {"rows", std::string("tokens")}}};
  const auto object = compileKernels({&spec, 1}, target);
  const KernelLibrary library = KernelLibrary::link(object, "bench");
  const VinciKernel kernel = library.find(symbolName(spec));
  const KernelTiles rule = tileRule(spec, target);
  const uint64_t tiles = (rows + rule.rowBlock - 1) / rule.rowBlock * rule.columns;
  const uint64_t bytes = static_cast<uint64_t>(n * k) * byteSize(spec.dtype());
  const uint64_t copies = std::max<uint64_t>(footprint / bytes, 1);
  std::byte *weights = allocate(copies * bytes + 4096), *x = allocate(rows * k * 4),
            *out = allocate(rows * n * 4);
  const uint64_t dims[] = {1, static_cast<uint64_t>(rows), 1, 1};
  std::vector<double> reading, computing;
  uint64_t copy = 0;
  for (auto _ : state) {
    std::byte *w = weights + copy * bytes;
    const auto start = Clock::now();
    benchmark::DoNotOptimize(sweep(w, bytes));
    reading.push_back(seconds(start));
    w = weights + (copy + copies / 2) % copies * bytes;
    void *buffers[] = {out, x, w};
    const auto middle = Clock::now();
    for (uint64_t tile = 0; tile < tiles; ++tile)
      kernel(buffers, dims, static_cast<uint32_t>(tile));
    computing.push_back(seconds(middle));
    state.SetIterationTime(computing.back());
    copy = (copy + 1) % copies;
  }
  const double time = median(computing);
  state.counters["GB/s"] = static_cast<double>(bytes) / time / 1e9;
  state.counters["of_read"] = median(reading) / time;
  state.counters["GFLOP/s"] = 2e-9 * static_cast<double>(rows * n * k) / time;
  std::free(weights);
  std::free(x);
  std::free(out);
}

void registerAll() {
  const std::vector<std::string> host = hostFeatures();
  for (const std::string_view name : cpuTargetNames())
    for (const char *dtype : {"bfloat16", "float16", "float32"}) {
      const std::string cpu(name);
      const std::vector<std::string> features = resolveCpu(cpu).features;
      if (!std::ranges::includes(host, features))
        continue;
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

} // namespace

namespace bench {
void registerInt8(); // int8_bench.cpp
}
} // namespace vinci

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  vinci::registerAll();
  vinci::bench::registerInt8();
  benchmark::RunSpecifiedBenchmarks();
}
