// One linear in int8: the tensors that a checkpoint has for it.
#pragma once

#include "runtime/quantize/activation_statistics.h"
#include "runtime/reference/matrix.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vinci {

/// Symmetric, a scale for each output channel: weight[n, k] is about values[n, k] * scales[n].
struct QuantizedWeight {
  uint64_t rows = 0, columns = 0;
  std::vector<int8_t> values; ///< from -127 to 127
  std::vector<float> scales;  ///< the largest magnitude of the row / 127; 1 for a row of zeros
};

QuantizedWeight quantizeWeight(const Matrix &weight);

/// What makes a weight a static linear (W8A8): with x quantised by `input`,
///   y[n] = (sum_k(x[k] * values[n, k]) + quantBias[n]) * deqScale[n]
struct StaticLinear {
  StaticScale input;
  std::vector<int32_t> quantBias; ///< bias / deqScale - offset * the sum of the row
  std::vector<float> deqScale;    ///< input scale * the row's
};

/// `bias` [n] or null. Throws Error naming `name` if a bias does not fit into int32 in the units of
/// its row.
StaticLinear staticLinear(const QuantizedWeight &weight, StaticScale input, const Matrix *bias,
                          const std::string &name);

} // namespace vinci
