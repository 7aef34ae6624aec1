// Products of int8 beside what they are measured by, in one process and interleaved: a read-only
// sweep of the same weights, and the plain kernel that widens each weight to 32 bits and multiplies
// there. One thread; medians.
//
//   decode   few rows: GB/s of weights, `of_read`, the share of what the sweep reaches, and
//            `of_plain`, how many times as fast as the plain kernel it is
//   prefill  many rows: GOP/s and `of_plain`
#include "runtime/exec/cpu_features.h"
#include "tests/bench/kernels/kernel_bench.h"

#include <cstring>

namespace vinci::bench {
namespace {

/// x [rows, k] times weights as Panel32, without what follows the sums; all sizes are multiples of
/// what the layout pads to.
__attribute__((target("avx512f"))) void plainProduct(int32_t *out, const int8_t *x,
                                                     const int8_t *weights, int64_t rows, int64_t n,
                                                     int64_t k) {
  constexpr int64_t block = 4;
  using Ints = int32_t __attribute__((vector_size(64)));
  for (int64_t column = 0; column < n; column += 16) {
    const int8_t *tiles = weights + column / 32 * k * 32 + column % 32 / 16 * 1024;
    for (int64_t row = 0; row < rows; row += block) {
      Ints sums[block] = {};
      const int64_t count = std::min(block, rows - row);
      for (int64_t step = 0; step < k; step += 4) {
        const auto words =
            *reinterpret_cast<const Ints *>(tiles + step / 64 * 2048 + step % 64 / 4 * 64);
        for (int i = 0; i < 4; ++i) {
          const Ints w = (words << (24 - 8 * i)) >> 24;
          for (int64_t r = 0; r < count; ++r)
            sums[r] += w * int32_t{x[(row + r) * k + step + i]};
        }
      }
      for (int64_t r = 0; r < count; ++r)
        std::memcpy(out + (row + r) * n + column, &sums[r], sizeof sums[r]);
    }
  }
}

void product(benchmark::State &state, const std::string &cpu) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const auto footprint = static_cast<uint64_t>(state.range(3)) << 20;
  const KernelSpec spec{
      "dynamic_quant_matmul",
      {{"dtype", std::string("bfloat16")}, {"n", n}, {"k", k}, {"bias", int64_t{0}}}};
  const BenchKernel kernel(spec, cpu);
  const auto tokens = static_cast<uint64_t>(rows);
  const uint64_t dims[] = {1, tokens, 1, tokens, tokens};
  const auto bytes = static_cast<uint64_t>(n * k);
  const uint64_t copies = std::max<uint64_t>(footprint / bytes, 1);
  const HugeMemory weights(copies * bytes), x(rows * k), out(rows * n * 4), scales((rows + n) * 4);
  std::vector<double> reading, plain, computing;
  uint64_t copy = 0;
  const auto next = [&] {
    copy = (copy + copies / 3 + 1) % copies;
    return weights.data() + copy * bytes;
  };
  for (auto _ : state) {
    const std::byte *w = next();
    reading.push_back(secondsOf([&] { benchmark::DoNotOptimize(sweep(w, bytes)); }));
    w = next();
    plain.push_back(secondsOf([&] {
      plainProduct(reinterpret_cast<int32_t *>(out.data()),
                   reinterpret_cast<const int8_t *>(x.data()), reinterpret_cast<const int8_t *>(w),
                   rows, n, k);
    }));
    void *buffers[] = {out.data(), x.data(), scales.data(), next(), scales.data() + rows * 4};
    computing.push_back(secondsOf([&] { kernel.run(buffers, dims); }));
    state.SetIterationTime(computing.back());
  }
  const double time = median(computing);
  state.counters["GB/s"] = static_cast<double>(bytes) / time / 1e9;
  state.counters["of_read"] = median(reading) / time;
  state.counters["of_plain"] = median(plain) / time;
  state.counters["GOP/s"] = 2e-9 * static_cast<double>(rows * n * k) / time;
}

} // namespace

void registerInt8() {
  const std::vector<std::string> host = hostFeatures();
  if (!std::ranges::binary_search(host, "avx512f")) // which the plain kernel needs
    return;
  for (const std::string &cpu : runnableCpus()) {
    const std::string suffix = "/int8/" + cpu;
    auto *decode = benchmark::RegisterBenchmark(("decode" + suffix).c_str(), product, cpu);
    for (const int64_t rows : {1, 2, 4, 8, 16})
      decode->Args({rows, 1024, 1024, 512});
    auto *prefill = benchmark::RegisterBenchmark(("prefill" + suffix).c_str(), product, cpu);
    for (const int64_t k : {1024, 4096})
      for (const int64_t rows : {96, 512})
        prefill->Args({rows, 1024, k, 64});
    for (auto *bench : {decode, prefill})
      bench->ArgNames({"rows", "n", "k", "MiB"})->UseManualTime()->Unit(benchmark::kMicrosecond);
  }
}

} // namespace vinci::bench
