// Loops that do nothing but read memory, or multiply, as fast as one thread can: what kernels are
// held to. Written in assembly where a compiler could spill, or does not know the instructions.
#pragma once

#include "runtime/support/dtype.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// Products of one type by one kind of instruction, on registers alone.
struct MultiplyLoop {
  std::string_view instructions; ///< "amx-bf16", "avx512vnni", "fma"
  DType dtype = DType::Float32;  ///< of what is multiplied
  double flops = 0;              ///< of one round; a multiplication and an addition are two
  void (*run)(uint64_t rounds) = nullptr;
};

/// The loops that a processor with these features (LLVM's names) can run, best last for each type.
/// AMX is among them only if the system lets this process use it, which this asks for.
std::vector<MultiplyLoop> multiplyLoops(std::span<const std::string> features);

/// A way to read memory from its beginning to its end: in `streams` equal parts side by side, each
/// prefetched `ahead` bytes (0: by the hardware alone).
struct ReadLoop {
  uint32_t streams = 1;
  uint32_t ahead = 0;
  void (*run)(const std::byte *begin, size_t bytes) = nullptr; ///< bytes: a multiple of 4096
};

/// Those to choose from, for a processor with these features.
std::vector<ReadLoop> readLoops(std::span<const std::string> features);

} // namespace vinci
