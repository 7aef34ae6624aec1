// The operations of quantised linears: int8 times int8, summed exactly, and floats times int8.
#pragma once

#include "runtime/reference/matrix.h"

namespace vinci::ops {

/// clamp(round(x / scale + offset), -128, 127) in float32, ties to even; NaN gives 0.
IntMatrix quantize(const Matrix &x, float scale, float offset);

/// quantize(row, scale, 0) of each row, with scale = max(|x|) / 127 of that row. A row of zeros, or
/// one that holds an infinity or no number, is 0; its scale is then 0, infinite or no number.
struct QuantizedRows {
  IntMatrix values;
  Matrix scales; ///< [rows]
};
QuantizedRows quantizeRows(const Matrix &x);

/// (sum_k(x[i, k] * weight[j, k]) + quantBias[j]) * deqScale[j].
Matrix staticLinear(const IntMatrix &x, const IntMatrix &weight, const IntMatrix &quantBias,
                    const Matrix &deqScale);

/// sum_k(x[i, k] * weight[j, k]) * scale[i] * weightScale[j], plus bias[j] if it is not null.
Matrix dynamicLinear(const QuantizedRows &x, const IntMatrix &weight, const Matrix &weightScale,
                     const Matrix *bias);

/// sum_k(x[i, k] * weight[j, k]) * weightScale[j], plus bias[j] if it is not null.
Matrix weightOnlyLinear(const Matrix &x, const IntMatrix &weight, const Matrix &weightScale,
                        const Matrix *bias);

} // namespace vinci::ops
