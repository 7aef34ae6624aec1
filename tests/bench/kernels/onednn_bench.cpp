// Products beside oneDNN's with weights that it has packed beforehand, in one process and in turn.
// Two threads each: oneDNN's are OpenMP's, ours TBB's, each with the same number of tiles. Weights
// are used one copy after another, so that both sides read them from memory.
//
//   GFLOP/s, onednn_GFLOP/s  medians
//   ratio                    oneDNN's time over ours
#include "tests/bench/kernels/kernel_bench.h"

#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <optional>

namespace vinci::bench {
namespace {

constexpr int threads = 2;

/// x [rows, k] times the transpose of weights [n, k], both of `type`.
class OnednnProduct {
public:
  OnednnProduct(int64_t rows, int64_t n, int64_t k, dnnl::memory::data_type type, uint64_t copies)
      : primitive_(descriptor(rows, n, k, type)), x_(primitive_.src_desc(), engine()),
        out_(primitive_.dst_desc(), engine()), product_(primitive_) {
    const dnnl::memory plain({{n, k}, type, dnnl::memory::format_tag::ab}, engine());
    fill(x_), fill(plain);
    for (uint64_t copy = 0; copy < copies; ++copy) {
      weights_.emplace_back(primitive_.weights_desc(), engine());
      dnnl::reorder(plain, weights_.back())
          .execute(stream_, const_cast<dnnl::memory &>(plain), weights_.back());
    }
    stream_.wait();
  }

  void run(uint64_t copy) {
    product_.execute(stream_, {{DNNL_ARG_SRC, x_},
                               {DNNL_ARG_WEIGHTS, weights_[copy % weights_.size()]},
                               {DNNL_ARG_DST, out_}});
    stream_.wait();
  }

private:
  using Descriptor = dnnl::inner_product_forward::primitive_desc;

  static const dnnl::engine &engine() {
    static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
    return cpu;
  }

  static Descriptor descriptor(int64_t rows, int64_t n, int64_t k, dnnl::memory::data_type type) {
    const auto any = dnnl::memory::format_tag::any;
    const dnnl::inner_product_forward::desc operation(
        dnnl::prop_kind::forward_inference, {{rows, k}, type, dnnl::memory::format_tag::ab},
        {{n, k}, type, any}, {{rows, n}, type, dnnl::memory::format_tag::ab});
    return {operation, engine()};
  }

  static void fill(const dnnl::memory &memory) {
    std::memset(memory.get_data_handle(), 0x2C, memory.get_desc().get_size());
  }

  Descriptor primitive_;
  dnnl::stream stream_{engine()};
  dnnl::memory x_, out_;
  std::vector<dnnl::memory> weights_;
  dnnl::inner_product_forward product_;
};

void product(benchmark::State &state, const std::string &dtype, dnnl::memory::data_type type,
             const std::string &cpu) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  const KernelSpec spec{"matmul",
                        {{"dtype", dtype},
                         {"out_dtype", dtype},
                         {"n", n},
                         {"k", k},
                         {"bias", int64_t{0}},
                         {"rows", std::string("tokens")}}};
  const BenchKernel kernel(spec, cpu);
  const Weights weights(n, k, spec.dtype(), uint64_t{64} << 20);
  const HugeMemory x(rows * k * 4), out(rows * n * 4);
  const uint64_t dims[] = {1, static_cast<uint64_t>(rows), 1, 1, 1};
  std::optional<OnednnProduct> onednn;
  try {
    onednn.emplace(rows, n, k, type, weights.copies());
  } catch (const dnnl::error &error) {
    state.SkipWithError((std::string("oneDNN on this machine: ") + error.what()).c_str());
    return;
  }
  std::vector<double> ours, theirs;
  uint64_t copy = 0;
  for (auto _ : state) {
    void *buffers[] = {out.data(), x.data(), weights.copy(copy)};
    ours.push_back(secondsOf([&] { kernel.run(buffers, dims, threads); }));
    theirs.push_back(secondsOf([&] { onednn->run(copy); }));
    state.SetIterationTime(ours.back());
    ++copy;
  }
  const double operations = 2e-9 * static_cast<double>(rows * n * k);
  state.counters["GFLOP/s"] = operations / median(ours);
  state.counters["onednn_GFLOP/s"] = operations / median(theirs);
  state.counters["ratio"] = median(theirs) / median(ours);
}

} // namespace

void registerOnednn() {
  setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), /*overwrite=*/0);
  const std::string cpu = runnableCpus().back();
  for (const auto &[dtype, type] : {std::pair{"bfloat16", dnnl::memory::data_type::bf16},
                                    std::pair{"float32", dnnl::memory::data_type::f32}}) {
    auto *bench = benchmark::RegisterBenchmark((std::string("onednn/") + dtype + "/" + cpu).c_str(),
                                               product, dtype, type, cpu);
    for (const int64_t rows : {8, 32, 128, 512})
      bench->Args({rows, 4096, 4096});
    bench->Args({512, 3072, 1024})->Args({512, 1024, 3072})->Args({512, 4096, 1024});
    bench->ArgNames({"rows", "n", "k"})->UseManualTime()->Unit(benchmark::kMicrosecond);
  }
}

} // namespace vinci::bench
