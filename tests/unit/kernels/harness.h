// Compiles, links and runs kernels in tests, on memory that faults when a kernel reads or writes
// past a buffer's end.
#pragma once

#include "backend/codegen/kernel_spec.h"
#include "backend/kernels/reference/elements.h"
#include "runtime/exec/kernel_linker.h"

#include <array>
#include <cstddef>
#include <iosfwd>
#include <span>
#include <vector>

namespace vinci::test {

/// The targets whose kernels this host can run, avx2 first.
std::vector<CpuTarget> runnableTargets();
/// Those of them that give `spec` a kernel unlike that of a weaker one.
std::vector<CpuTarget> runnableTargets(const KernelSpec &spec);

/// Zeroed memory whose last byte is the last before an inaccessible page. It begins 64-byte aligned
/// if its size is a multiple of 64, as that of packed weights is; other buffers begin anywhere.
class Buffer {
public:
  explicit Buffer(uint64_t bytes = 0);
  Buffer(const Buffer &other);
  Buffer(Buffer &&other) noexcept;
  Buffer &operator=(Buffer other) noexcept;
  ~Buffer();

  std::byte *data() const { return data_; }
  uint64_t size() const { return bytes_; }
  void fill(std::byte value);
  bool operator==(const Buffer &other) const;

  int32_t *ints() const { return reinterpret_cast<int32_t *>(data_); }
  float *floats() const { return reinterpret_cast<float *>(data_); }
  reference::Elements elements(DType type) const { return {data_, type}; }

private:
  void swap(Buffer &other) noexcept;

  uint64_t bytes_ = 0;
  uint64_t mappedBytes_ = 0;
  std::byte *mapping_ = nullptr;
  std::byte *data_ = nullptr;
};

using Dims = std::array<uint64_t, VINCI_DIM_COUNT>;
Dims makeDims(uint64_t tokens, uint64_t sequences = 1, uint64_t logitRows = 1);

/// A kernel that was compiled for a target and linked. Compiles each spec and target once per
/// process.
class CompiledKernel {
public:
  CompiledKernel(const KernelSpec &spec, const CpuTarget &target);

  uint32_t tiles(const Dims &dims) const;
  void runTile(std::span<const Buffer> buffers, const Dims &dims, uint32_t tile) const;
  /// All tiles, in order or from the last to the first.
  void run(std::span<const Buffer> buffers, const Dims &dims, bool reversed = false) const;

private:
  KernelTiles rule_;
  VinciKernel kernel_;
};

void runReference(const KernelSpec &spec, std::span<const Buffer> buffers, const Dims &dims);

/// Reproducible numbers.
class Random {
public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t bits();
  /// In [low, high).
  double real(double low = -1, double high = 1);
  int32_t integer(int32_t low, int32_t high);
  /// `count` elements from `first` on: floats in [-1, 1), any int8.
  void fill(const reference::Elements &elements, uint64_t count, uint64_t first = 0);

private:
  uint64_t state_;
};

/// A matrix [n, k] with elements as Random::fill gives them. Of bfloat16 one in a thousand is so small
/// that Panel12 has no place for its exponent.
Buffer randomMatrix(Random &random, uint64_t n, uint64_t k, DType type);

/// Packs a matrix [n, k] as kernels read it that multiply by it: panelElements(n, k, type) elements.
void packWeight(const Buffer &matrix, uint64_t n, uint64_t k, DType type, std::byte *to);

/// The largest |actual - expected| / (|expected| + floor) over `count` elements; infinity if one is
/// NaN and the other not.
double largestError(const reference::Elements &actual, const reference::Elements &expected,
                    uint64_t count, double floor);

/// One rounding of the type, as a relative error.
double roundingError(DType type);

} // namespace vinci::test

namespace vinci {
/// How GoogleTest prints a spec.
void PrintTo(const KernelSpec &spec, std::ostream *stream);
} // namespace vinci
