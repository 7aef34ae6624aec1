// Products of bfloat16 activations with int8 weights (W8A16) beside the same product with bfloat16
// weights and a read-only sweep of the int8 ones, in one process and interleaved. One thread;
// medians.
//
//   decode   few rows: GB/s of weights, `of_read`, the share of what the sweep reaches, and
//            `of_bf16`, how many times as fast as with bfloat16 weights: 1.5 where memory decides
//   prefill  many rows: GFLOP/s and `of_bf16`
#include "tests/bench/kernels/kernel_bench.h"

namespace vinci::bench {
namespace {

/// As many copies of a weight as fill a footprint, each used in its turn.
class Copies {
public:
  Copies(uint64_t bytes, uint64_t footprint)
      : bytes_(bytes), count_(std::max<uint64_t>(footprint / bytes, 1)), memory_(count_ * bytes) {}

  std::byte *next() {
    turn_ = (turn_ + count_ / 3 + 1) % count_;
    return memory_.data() + turn_ * bytes_;
  }

private:
  uint64_t bytes_, count_, turn_ = 0;
  HugeMemory memory_;
};

void product(benchmark::State &state, const std::string &cpu) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const auto footprint = static_cast<uint64_t>(state.range(3)) << 20;
  const std::string bfloat16 = "bfloat16";
  const BenchKernel int8(
      {"weight_quant_matmul", {{"dtype", bfloat16}, {"n", n}, {"k", k}, {"bias", int64_t{0}}}},
      cpu);
  const BenchKernel wide({"matmul",
                          {{"dtype", bfloat16},
                           {"out_dtype", bfloat16},
                           {"n", n},
                           {"k", k},
                           {"bias", int64_t{0}},
                           {"rows", std::string("tokens")}}},
                         cpu);
  const uint64_t dims[] = {1, static_cast<uint64_t>(rows), 1, 1, 1};
  const auto bytes = static_cast<uint64_t>(n * k);
  Copies narrow(bytes, footprint);
  const Weights full(n, k, DType::BFloat16, 2 * footprint);
  const HugeMemory x(rows * k * 2), out(rows * n * 2), scales(n * 4);
  std::vector<double> reading, floats, computing;
  for (auto _ : state) {
    const std::byte *w = narrow.next();
    reading.push_back(secondsOf([&] { benchmark::DoNotOptimize(sweep(w, bytes)); }));
    void *ofFloats[] = {out.data(), x.data(), full.copy(computing.size())};
    floats.push_back(secondsOf([&] { wide.run(ofFloats, dims); }));
    void *buffers[] = {out.data(), x.data(), narrow.next(), scales.data()};
    computing.push_back(secondsOf([&] { int8.run(buffers, dims); }));
    state.SetIterationTime(computing.back());
  }
  const double time = median(computing);
  state.counters["GB/s"] = static_cast<double>(bytes) / time / 1e9;
  state.counters["of_read"] = median(reading) / time;
  state.counters["of_bf16"] = median(floats) / time;
  state.counters["GFLOP/s"] = 2e-9 * static_cast<double>(rows * n * k) / time;
}

} // namespace

void registerWeightQuant() {
  for (const std::string &cpu : runnableCpus()) {
    auto *decode = benchmark::RegisterBenchmark(("decode/w8/" + cpu).c_str(), product, cpu);
    for (const int64_t rows : {1, 2, 4, 8, 16})
      decode->Args({rows, 1024, 1024, 512});
    auto *prefill = benchmark::RegisterBenchmark(("prefill/w8/" + cpu).c_str(), product, cpu);
    for (const int64_t k : {1024, 4096})
      for (const int64_t rows : {96, 512})
        prefill->Args({rows, 1024, k, 64});
    for (auto *bench : {decode, prefill})
      bench->ArgNames({"rows", "n", "k", "MiB"})->UseManualTime()->Unit(benchmark::kMicrosecond);
  }
}

} // namespace vinci::bench
