// Lays weights out as the kernels read them, converting the element type on the way.
#pragma once

#include "runtime/plan/layout.h"
#include "runtime/support/dtype.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace vinci {

/// True if packing can turn `from` into `to`: any two of float32, bfloat16 and float16.
bool isConvertible(DType from, DType to);

/// Converts `count` elements, rounding to nearest, ties to even; NaN stays NaN. Returns how many
/// finite values became infinite, which happens only on the way to float16 (and, beyond 3.39e38, to
/// bfloat16). Single-threaded.
uint64_t convertElements(const std::byte *from, DType fromType, std::byte *to, DType toType,
                         uint64_t count);

/// Packs one tensor: `from` holds `shape` row-major in `fromType`, `to` gets
/// packedBytes(shape, toType, packing) bytes, padding zeroed. Threads: TBB. Returns the count of
/// overflows, as above.
///
/// Rows: as in the checkpoint. Panel32, for shape [n, k], Kp = k rounded up to 32, in elements:
///   16-bit types: element (n, k) at ((n/32)*(Kp/32) + k/32)*1024 + ((n%32)/16)*512 + ((k%32)/2)*32
///   + (n%16)*2 + k%2 float32:      element (n, k) at (n/32)*Kp*32 + k*32 + n%32
uint64_t packTensor(const std::byte *from, DType fromType, std::span<const uint64_t> shape,
                    std::byte *to, DType toType, fb::Packing packing);

/// packTensor for Panel32 of a matrix [n, k].
uint64_t packPanel32(const std::byte *from, DType fromType, uint64_t n, uint64_t k, std::byte *to,
                     DType toType);

} // namespace vinci
