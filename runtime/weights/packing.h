// Lays weights out as the kernels read them, converting the element type on the way.
#pragma once

#include "runtime/plan/layout.h"
#include "runtime/support/dtype.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace vinci {

/// Converts `count` elements: floats and int8 to any float, integers to themselves. Rounds to
/// nearest, ties to even; NaN stays NaN. Returns how many finite values became infinite, which
/// happens only on the way to float16 (and, beyond 3.39e38, to bfloat16). Single-threaded.
uint64_t convertElements(const std::byte *from, DType fromType, std::byte *to, DType toType,
                         uint64_t count);

/// Packs one tensor: `from` holds `shape` row-major in `fromType`, `to` gets
/// packedBytes(shape, toType, packing) bytes, padding zeroed. Threads: TBB. Returns the count of
/// overflows, as above.
///
/// Rows: as in the checkpoint. Panel32, for shape [n, k], has element (n, k), counted in elements,
/// at
///   float32       (n/32)*Kp*32 + k*32 + n%32
///   16-bit types  (n/32)*Kp*32 + (k/32)*1024 + ((n%32)/16)*512 + ((k%32)/2)*32 + (n%16)*2 + k%2
///   int8          (n/32)*Kp*32 + (k/64)*2048 + ((n%32)/16)*1024 + ((k%64)/4)*64 + (n%16)*4 + k%4
/// with Kp = k rounded up to 32, for int8 to 64.
uint64_t packTensor(const std::byte *from, DType fromType, std::span<const uint64_t> shape,
                    std::byte *to, DType toType, fb::Packing packing);

/// packTensor for Panel32 of a matrix [n, k].
uint64_t packPanel32(const std::byte *from, DType fromType, uint64_t n, uint64_t k, std::byte *to,
                     DType toType);

} // namespace vinci
