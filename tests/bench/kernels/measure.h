// What benchmarks of kernels share: memory, a sweep that only reads it, and a linked kernel.
#pragma once

#include "backend/codegen/codegen.h"
#include "runtime/exec/kernel_linker.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sys/mman.h>
#include <vector>

namespace vinci::bench {

/// Memory on huge pages, filled with finite numbers of any type.
inline std::byte *allocate(uint64_t bytes) {
  constexpr uint64_t huge = 2 << 20;
  bytes = (bytes + huge - 1) / huge * huge;
  auto *data = static_cast<std::byte *>(std::aligned_alloc(huge, bytes));
  madvise(data, bytes, MADV_HUGEPAGE);
  std::memset(data, 0x2C, bytes);
  return data;
}

template <typename Body> double secondsOf(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

/// Reads `bytes` as two streams with prefetch: the most that one thread gets out of the memory.
__attribute__((target("avx2"))) inline uint64_t sweep(const std::byte *data, uint64_t bytes) {
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

/// A compiled kernel that is run with `rows` tokens, tile after tile.
class Kernel {
public:
  Kernel(const KernelSpec &spec, const CpuTarget &target, uint64_t rows)
      : library_(KernelLibrary::link(compileKernels({&spec, 1}, target), "bench")),
        kernel_(library_.find(symbolName(spec))), dims_{1, rows, 1, rows, rows} {
    const KernelTiles rule = tileRule(spec, target);
    tiles_ = (rows * rule.scale + rule.rowBlock - 1) / rule.rowBlock * rule.columns;
  }

  void run(void *const *buffers) const {
    for (uint64_t tile = 0; tile < tiles_; ++tile)
      kernel_(buffers, dims_, static_cast<uint32_t>(tile));
  }

private:
  KernelLibrary library_;
  VinciKernel kernel_;
  uint64_t dims_[VINCI_DIM_COUNT];
  uint64_t tiles_ = 0;
};

} // namespace vinci::bench
