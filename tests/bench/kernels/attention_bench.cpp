// Attention beside a read-only sweep of the same keys and values, in the same process and
// interleaved. One thread; medians.
//
//   decode   one token of each sequence at a depth: GB/s of keys and values, and `of_read`
//   prefill  the tokens of one sequence from its beginning: GFLOP/s of what the causal mask leaves
#include "tests/bench/kernels/kernel_bench.h"

namespace vinci::bench {
namespace {

constexpr int64_t blockSize = 128;

/// `sequences` sequences of which the last `tokens` of `context` are computed.
void attention(benchmark::State &state, const std::string &dtype, const std::string &cpu) {
  const int64_t heads = state.range(0), kvHeads = state.range(1), headDim = state.range(2);
  const int64_t sequences = state.range(3), tokens = state.range(4), context = state.range(5);
  const int64_t maxBlocks = (context + blockSize - 1) / blockSize;
  const KernelSpec spec{"attention",
                        {{"dtype", dtype},
                         {"softmax", std::string("float32")},
                         {"heads", heads},
                         {"kv_heads", kvHeads},
                         {"head_dim", headDim},
                         {"block_size", blockSize},
                         {"max_blocks", maxBlocks},
                         {"scale", 0.088}}};
  const BenchKernel kernel(spec, cpu);
  const auto rows = static_cast<uint64_t>(sequences * tokens);
  const uint64_t element = byteSize(spec.dtype());
  const uint64_t layerBytes = sequences * maxBlocks * blockSize * 2 * kvHeads * headDim * element;
  const uint64_t layers = std::max<uint64_t>((256 << 20) / layerBytes, 1);
  HugeMemory cache(layers * layerBytes), q(rows * heads * headDim * element),
      out(rows * heads * headDim * element);
  std::vector<int32_t> queryStart, contextLens, blockTables;
  for (int64_t s = 0; s <= sequences; ++s)
    queryStart.push_back(static_cast<int32_t>(s * tokens));
  contextLens.assign(sequences, static_cast<int32_t>(context));
  for (int64_t b = 0; b < sequences * maxBlocks; ++b) // every other block, as a pool leaves them
    blockTables.push_back(
        static_cast<int32_t>(b % 2 == 0 ? b / 2 : sequences * maxBlocks - 1 - b / 2));
  const uint64_t dims[] = {1, rows, static_cast<uint64_t>(sequences), rows, rows};
  std::vector<double> reading, computing;
  uint64_t layer = 0;
  for (auto _ : state) {
    reading.push_back(secondsOf(
        [&] { benchmark::DoNotOptimize(sweep(cache.data() + layer * layerBytes, layerBytes)); }));
    std::byte *keys = cache.data() + (layer + layers / 2) % layers * layerBytes;
    void *buffers[] = {out.data(),        q.data(),           keys,
                       queryStart.data(), contextLens.data(), blockTables.data()};
    computing.push_back(secondsOf([&] { kernel.run(buffers, dims); }));
    state.SetIterationTime(computing.back());
    layer = (layer + 1) % layers;
  }
  const double time = median(computing);
  // Token i of `tokens` sees context - tokens + i + 1.
  const double seen = static_cast<double>(sequences * tokens) *
                      (static_cast<double>(context) - static_cast<double>(tokens - 1) / 2);
  state.counters["GB/s"] = static_cast<double>(layerBytes) / time / 1e9;
  state.counters["of_read"] = median(reading) / time;
  state.counters["GFLOP/s"] = 4e-9 * seen * static_cast<double>(heads * headDim) / time;
}

} // namespace

void registerAttention() {
  for (const std::string &cpu : runnableCpus())
    for (const char *dtype : {"bfloat16", "float16"}) {
      const std::string suffix = std::string("/") + dtype + "/" + cpu;
      auto *decode = benchmark::RegisterBenchmark(("attention_decode" + suffix).c_str(), attention,
                                                  dtype, cpu);
      decode->Args({16, 8, 128, 1, 1, 2048})->Args({64, 4, 128, 1, 1, 2048});
      decode->Args({14, 2, 64, 8, 1, 2048});
      auto *prefill = benchmark::RegisterBenchmark(("attention_prefill" + suffix).c_str(),
                                                   attention, dtype, cpu);
      prefill->Args({16, 8, 128, 1, 512, 512})->Args({14, 2, 64, 1, 512, 512});
      prefill->Args({16, 8, 128, 1, 512, 2048});
      for (auto *bench : {decode, prefill})
        bench->ArgNames({"heads", "kv", "dim", "sequences", "tokens", "context"})
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
    }
}

} // namespace vinci::bench
