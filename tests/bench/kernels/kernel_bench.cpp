#include "tests/bench/kernels/kernel_bench.h"

#include "runtime/exec/cpu_features.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/panel12.h"

#include <cstdlib>
#include <cstring>
#include <random>
#include <sys/mman.h>
#include <tbb/parallel_for.h>

namespace vinci::bench {

std::vector<std::string> runnableCpus() {
  const std::vector<std::string> host = hostFeatures();
  std::vector<std::string> cpus;
  for (const std::string_view name : cpuTargetNames())
    if (std::ranges::includes(host, resolveCpu(name).features))
      cpus.emplace_back(name);
  return cpus;
}

BenchKernel::BenchKernel(const KernelSpec &spec, const std::string &cpu)
    : rule_(tileRule(spec, resolveCpu(cpu))),
      library_(KernelLibrary::link(compileKernels({&spec, 1}, resolveCpu(cpu)), "bench")),
      kernel_(library_.find(symbolName(spec))) {}

void BenchKernel::run(void *const *buffers, const uint64_t *dims, int threads) const {
  const uint64_t rows = dims[rule_.symbol] * rule_.scale;
  const uint64_t tiles = (rows + rule_.rowBlock - 1) / rule_.rowBlock * rule_.columns;
  const auto share = [&](uint64_t thread) {
    for (uint64_t tile = tiles * thread / threads; tile < tiles * (thread + 1) / threads; ++tile)
      kernel_(buffers, dims, static_cast<uint32_t>(tile));
  };
  if (threads == 1)
    return share(0);
  tbb::parallel_for(uint64_t{0}, static_cast<uint64_t>(threads), share, tbb::static_partitioner());
}

static std::byte *allocateHuge(uint64_t bytes) {
  constexpr uint64_t huge = 2 << 20;
  bytes = (bytes + 4096 + huge - 1) / huge * huge;
  auto *data = static_cast<std::byte *>(std::aligned_alloc(huge, bytes));
  madvise(data, bytes, MADV_HUGEPAGE);
  std::memset(data, 0x2C, bytes);
  return data;
}

HugeMemory::HugeMemory(uint64_t bytes) : data_(allocateHuge(bytes), std::free) {}

Weights::Weights(int64_t n, int64_t k, DType dtype, uint64_t footprint) {
  const std::vector<uint64_t> shape = {static_cast<uint64_t>(n), static_cast<uint64_t>(k)};
  std::vector<float> values(shape[0] * shape[1]);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::ranges::generate(values, [&] { return normal(random); });
  const bool is12 = dtype == DType::BFloat16;
  const fb::Packing packing = is12 ? fb::Packing::Panel12 : fb::Packing::Panel32;
  bytes_ = *packedBytes(shape, dtype, packing);
  copies_ = std::max<uint64_t>(footprint / bytes_, 2);
  memory_ = std::make_unique<HugeMemory>(copies_ * bytes_);
  packTensor(wholeTensor(reinterpret_cast<const std::byte *>(values.data()), DType::Float32, shape),
             memory_->data(), dtype, packing);
  for (uint64_t i = 1; i < copies_; ++i)
    std::memcpy(copy(i), copy(0), bytes_);
  bytesRead_ =
      is12 ? vinci::bytesRead(Panel12Layout(shape[0], shape[1]), {copy(0), bytes_}) : bytes_;
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

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

} // namespace vinci::bench

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  vinci::bench::registerMatmul();
  vinci::bench::registerAttention();
  vinci::bench::registerInt8();
  vinci::bench::registerWeightQuant();
  vinci::bench::registerRows();
#ifdef VINCI_BENCH_ONEDNN
  vinci::bench::registerOnednn();
#endif
  benchmark::RunSpecifiedBenchmarks();
}
