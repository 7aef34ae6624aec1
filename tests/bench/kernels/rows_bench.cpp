// What a prefill does row by row besides products, beside a copy of as many bytes by memcpy, in one
// process and in turn. One thread; medians.
//
//   GB/s     of what is read and written
//   of_copy  the time of the copy over the kernel's
#include "tests/bench/kernels/kernel_bench.h"

#include <cstring>
#include <numeric>

namespace vinci::bench {
namespace {

void rows(benchmark::State &state, const KernelSpec &spec, const std::string &cpu, uint64_t tokens,
          const std::vector<uint64_t> &operandBytes, int slots) {
  const BenchKernel kernel(spec, cpu);
  const uint64_t dims[] = {1, tokens, 1, tokens, tokens};
  std::vector<HugeMemory> memory;
  std::vector<void *> buffers;
  for (const uint64_t bytes : operandBytes)
    buffers.push_back(memory.emplace_back(bytes).data());
  if (slots >= 0)
    std::iota(static_cast<int32_t *>(buffers[slots]),
              static_cast<int32_t *>(buffers[slots]) + tokens, 0);
  const uint64_t moved = std::accumulate(operandBytes.begin(), operandBytes.end(), uint64_t{0}) / 2;
  const HugeMemory from(moved), to(moved);
  std::vector<double> copying, computing;
  for (auto _ : state) {
    copying.push_back(secondsOf([&] { std::memcpy(to.data(), from.data(), moved); }));
    computing.push_back(secondsOf([&] { kernel.run(buffers.data(), dims); }));
    state.SetIterationTime(computing.back());
  }
  state.counters["GB/s"] = 2 * static_cast<double>(moved) / median(computing) / 1e9;
  state.counters["of_copy"] = median(copying) / median(computing);
}

/// The sizes of Qwen3-0.6B.
constexpr int64_t heads = 16, kvHeads = 8, headDim = 128, intermediate = 3072;

void appendQkv(benchmark::State &state, const std::string &cpu) {
  const auto tokens = static_cast<uint64_t>(state.range(0));
  const KernelSpec spec{"append_qkv",
                        {{"dtype", std::string("bfloat16")},
                         {"compute", std::string("float32")},
                         {"rotary", std::string("float32")},
                         {"heads", heads},
                         {"kv_heads", kvHeads},
                         {"head_dim", headDim},
                         {"norm", int64_t{1}},
                         {"rope", int64_t{1}},
                         {"eps", 1e-6},
                         {"block_size", int64_t{128}}}};
  const uint64_t head = tokens * headDim * 2;
  rows(state, spec, cpu, tokens,
       {heads * head, 2 * kvHeads * head, (heads + 2 * kvHeads) * head, headDim * 2, headDim * 2,
        tokens * headDim * 4, tokens * 4},
       6);
}

void swiglu(benchmark::State &state, const std::string &cpu) {
  const auto tokens = static_cast<uint64_t>(state.range(0));
  const KernelSpec spec{"swiglu",
                        {{"dtype", std::string("bfloat16")},
                         {"n", intermediate},
                         {"rows_per_token", int64_t{1}},
                         {"two_operands", int64_t{0}}}};
  const uint64_t row = tokens * intermediate * 2;
  rows(state, spec, cpu, tokens, {row, 2 * row}, -1);
}

} // namespace

void registerRows() {
  for (const std::string &cpu : runnableCpus()) {
    benchmark::RegisterBenchmark(("append_qkv/bfloat16/" + cpu).c_str(), appendQkv, cpu)
        ->Arg(512)
        ->ArgName("tokens")
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("swiglu/bfloat16/" + cpu).c_str(), swiglu, cpu)
        ->Arg(512)
        ->ArgName("tokens")
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

} // namespace vinci::bench
