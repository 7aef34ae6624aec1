#include "runtime/quantize/quantized_linear.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vinci {

QuantizedWeight quantizeWeight(const Matrix &weight) {
  QuantizedWeight result{weight.rows, weight.columns, std::vector<int8_t>(weight.values.size()),
                         std::vector<float>(weight.rows, 1)};
  for (uint64_t n = 0; n < weight.rows; ++n) {
    const float *row = &weight.at(n, 0);
    float largest = 0;
    for (uint64_t k = 0; k < weight.columns; ++k)
      largest = std::max(largest, std::abs(row[k]));
    const float scale = largest / 127;
    if (!(scale > 0)) // also where it is too small for a float
      continue;
    result.scales[n] = scale;
    for (uint64_t k = 0; k < weight.columns; ++k)
      result.values[n * weight.columns + k] =
          int8_t(std::clamp(std::nearbyint(row[k] / scale), -127.0f, 127.0f));
  }
  return result;
}

StaticLinear staticLinear(const QuantizedWeight &weight, StaticScale input, const Matrix *bias,
                          const std::string &name) {
  StaticLinear result{input, std::vector<int32_t>(weight.rows), std::vector<float>(weight.rows)};
  for (uint64_t n = 0; n < weight.rows; ++n) {
    int64_t sum = 0;
    for (uint64_t k = 0; k < weight.columns; ++k)
      sum += weight.values[n * weight.columns + k];
    const float deqScale = result.deqScale[n] = input.scale * weight.scales[n];
    const double inUnits = bias ? std::nearbyint(bias->at(n, 0) / double(deqScale)) : 0;
    const double quantBias = inUnits - double(input.offset) * double(sum);
    if (!(std::abs(quantBias) <= std::numeric_limits<int32_t>::max()))
      fail("{}: the bias of output {} is {} in units of its scale and does not fit into int32; "
           "--keep-float keeps the linear as it is",
           name, n, quantBias);
    result.quantBias[n] = int32_t(quantBias);
  }
  return result;
}

} // namespace vinci
