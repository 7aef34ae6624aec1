// What the benchmarks of kernels share: a compiled kernel, memory on huge pages, and a sweep that
// reads as fast as one thread can. Machines drift, so only ratios within one process mean
// something.
#pragma once

#include "backend/codegen/codegen.h"
#include "runtime/exec/kernel_linker.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace vinci::bench {

/// The names of the targets whose kernels this host can run.
std::vector<std::string> runnableCpus();

class BenchKernel {
public:
  BenchKernel(const KernelSpec &spec, const std::string &cpu);

  /// All tiles, in order; or an equal share of them, in order, on each of `threads` threads.
  void run(void *const *buffers, const uint64_t *dims, int threads = 1) const;

private:
  KernelTiles rule_;
  KernelLibrary library_;
  VinciKernel kernel_;
};

/// Memory on huge pages, filled with finite numbers of any type, and a page more to be prefetched.
class HugeMemory {
public:
  explicit HugeMemory(uint64_t bytes);
  std::byte *data() const { return data_.get(); }

private:
  std::unique_ptr<std::byte, void (*)(void *)> data_;
};

/// A float matrix of a normal distribution [n, k], packed as kernels read it that multiply by it;
/// as many times as fill `footprint` bytes, so that it comes from where a model of that size has
/// it.
class Weights {
public:
  Weights(int64_t n, int64_t k, DType dtype, uint64_t footprint);

  std::byte *copy(uint64_t number) const { return memory_->data() + number % copies_ * bytes_; }
  uint64_t copies() const { return copies_; }
  /// What a product reads of one: less than there is of Panel12, which bfloat16 has.
  uint64_t bytesRead() const { return bytesRead_; }

private:
  uint64_t bytes_, copies_, bytesRead_;
  std::unique_ptr<HugeMemory> memory_;
};

template <typename Body> double secondsOf(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values);

/// Reads `bytes` as two streams with prefetch: the most that one thread gets out of the memory.
uint64_t sweep(const std::byte *data, uint64_t bytes);

void registerMatmul();
void registerAttention();
void registerInt8();
void registerWeightQuant();
void registerRows();
void registerOnednn(); // where oneDNN is installed

} // namespace vinci::bench
