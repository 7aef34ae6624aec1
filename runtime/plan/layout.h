// Sizes of what a plan describes: packed weights, KV cache blocks, buffers at the limits. Kernels,
// compiler, verifier and packer all ask here, so that they agree.
//
// Every function returns nullopt where the exact result would be 2^48 or more (or a factor is
// nonsense): no machine has that much memory, and products of such sizes cannot overflow.
#pragma once

#include "runtime/plan/types.h"

#include <cstdint>
#include <optional>
#include <span>

namespace vinci {

inline constexpr uint64_t maxSize = uint64_t(1) << 48;
/// Buffers, constants and packed weights start at multiples of this.
inline constexpr uint64_t bufferAlignment = 64;
/// Panels are 32 output columns wide.
inline constexpr uint64_t panelWidth = 32;
/// K is padded to a multiple of this in panels.
constexpr uint64_t panelDepth(DType dtype) {
  return dtype == DType::Int8 ? 64 : 32;
}

/// Bytes of what a panel of Panel12 has beside its tiles: two tables of 16, and a byte for each 32 of
/// K.
constexpr uint64_t panel12HeadBytes(uint64_t k) {
  return (32 + (k + 31) / 32 + 63) / 64 * 64;
}

/// a * b, or nullopt from 2^48 on.
std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b);
/// a + b, or nullopt from 2^48 on.
std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b);
/// `value` up to the next multiple of `multiple`.
constexpr uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Product of `shape`; 1 for a scalar.
std::optional<uint64_t> elementCount(std::span<const uint64_t> shape);

/// Bytes of a weight of `shape` (of one tensor, as in the checkpoint) in the pack. `count` tensors
/// follow one another in a stack; 0 means a single tensor. Panel32 takes shapes [n, k] only, and
/// Panel12 of these those of 16-bit types.
std::optional<uint64_t> packedBytes(std::span<const uint64_t> shape, DType dtype,
                                    fb::Packing packing, uint64_t count = 0);

/// Bytes of one block of one layer's KV cache: for each KV head K, then V (see
/// backend/kernels/README.md), head_dim rounded up to 16.
std::optional<uint64_t> kvBlockBytes(uint64_t kvHeads, uint64_t headDim, uint64_t blockSize,
                                     DType dtype);

/// The largest value a symbol takes under `limits`: One 1, Tokens max_tokens_per_step, Sequences
/// max_batch, LogitRows max_logit_rows, TokenShares a rank's share of max_tokens_per_step.
uint64_t symbolLimit(const fb::Limits &limits, fb::Symbol symbol);

} // namespace vinci
