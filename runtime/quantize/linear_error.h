// How far a quantised linear is from the float one, on rows that it really reads.
#pragma once

#include "runtime/quantize/quantized_linear.h"
#include "runtime/quantize/schemes.h"

namespace vinci {

struct LinearError {
  double max = 0;             ///< the largest difference of an output
  double signal = 0;          ///< sum of squares of the float outputs
  double noise = 0;           ///< of the differences
  double product = 0;         ///< of float and quantised outputs
  double quantizedSquare = 0; ///< of the quantised outputs

  LinearError &operator+=(const LinearError &other);
  /// 10 log10(signal / noise); infinite without noise.
  double sqnrDb() const;
  double cosine() const;
};

/// Of the outputs for `input` [rows, k] without their bias, which both have. `scale` is that of a
/// W8A8 linear. Threads: TBB.
LinearError linearError(const Matrix &input, const Matrix &weight, LinearScheme scheme,
                        StaticScale scale);

} // namespace vinci
