// Bytes of tensors and caches of the device program, and which of them kernels may share.
#pragma once

#include "ir/npu/Npu.h"

namespace vinci::npu {

/// Offsets in the arena are multiples of this.
inline constexpr int64_t arenaAlignment = 64;

/// No buffer and no arena may be larger: 64 TiB, far beyond a device and far from overflow.
inline constexpr int64_t maxArenaBytes = int64_t(1) << 46;

/// Bytes of one element of a tensor or cache; 0 for types that the plan does not know.
int64_t elementBytes(mlir::Type elementType);

/// Bytes of a tensor when every symbol is at its limit; nullopt if that is beyond maxArenaBytes or
/// the type is unknown.
std::optional<int64_t> bytesAtLimits(mlir::RankedTensorType type, llm::LimitsAttr limits);

/// Bytes of K and V of one block of one layer: heads * 2 * head_dim rounded up to 16 * block_size
/// elements.
int64_t kvBytesPerBlock(llm::KvCacheType type, llm::LimitsAttr limits);

/// How many of its first inputs the kernel may overwrite with its first output, element by element
/// or row by row.
unsigned inPlaceInputs(llvm::StringRef kernel);

/// `value` rounded up to a multiple of arenaAlignment.
inline int64_t alignToArena(int64_t value) {
  return (value + arenaAlignment - 1) / arenaAlignment * arenaAlignment;
}

} // namespace vinci::npu
