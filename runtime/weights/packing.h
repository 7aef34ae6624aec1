// Lays weights out as the kernels read them, converting the element type on the way.
#pragma once

#include "runtime/plan/layout.h"
#include "runtime/support/dtype.h"
#include "runtime/weights/tensor_slice.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

/// What a conversion lost beyond rounding.
struct CastLoss {
  uint64_t overflows = 0;  ///< finite values that became infinite
  uint64_t underflows = 0; ///< to float16: values other than zero that became zero

  CastLoss &operator+=(const CastLoss &other);
  bool operator==(const CastLoss &) const = default;
};

/// Converts `count` elements: floats and int8 to any float, integers to themselves. Rounds to
/// nearest, ties to even; NaN stays NaN. Overflows happen only on the way to float16 (and, beyond
/// 3.39e38, to bfloat16). Single-threaded.
CastLoss convertElements(const std::byte *from, DType fromType, std::byte *to, DType toType,
                         uint64_t count);

/// Rows of a matrix that is packed: those of `slice`, then zeros up to `rows`. Columns that the
/// slice lacks are zero as well.
struct PackedRows {
  TensorSlice slice;
  uint64_t rows = 0;
};

/// Packs a matrix of `columns` columns that is made of the rows of `parts`, one after another: `to`
/// gets packedBytes(its shape, toType, packing) bytes, padding zeroed. Gives what each part lost.
/// Threads: TBB.
///
/// Rows: row-major. Panel32, for shape [n, k], has element (n, k), counted in elements, at
///   float32       (n/32)*Kp*32 + k*32 + n%32
///   16-bit types  (n/32)*Kp*32 + (k/32)*1024 + ((n%32)/16)*512 + ((k%32)/2)*32 + (n%16)*2 + k%2
///   int8          (n/32)*Kp*32 + (k/64)*2048 + ((n%32)/16)*1024 + ((k%64)/4)*64 + (n%16)*4 + k%4
/// with Kp = k rounded up to 32, for int8 to 64. Panel12 (bfloat16) has the tiles of Panel32 in fewer
/// bits: panel12.h.
std::vector<CastLoss> packTensor(std::span<const PackedRows> parts, uint64_t columns, std::byte *to,
                                 DType toType, fb::Packing packing);
/// The same for a matrix in one part.
CastLoss packTensor(const TensorSlice &from, std::byte *to, DType toType, fb::Packing packing);

} // namespace vinci
