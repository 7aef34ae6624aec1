#include "runtime/quantize/linear_error.h"

#include "runtime/reference/quant_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tbb/parallel_for.h>

namespace vinci {

LinearError &LinearError::operator+=(const LinearError &other) {
  max = std::max(max, other.max);
  signal += other.signal;
  noise += other.noise;
  product += other.product;
  quantizedSquare += other.quantizedSquare;
  return *this;
}

double LinearError::sqnrDb() const {
  return noise > 0 ? 10 * std::log10(signal / noise) : std::numeric_limits<double>::infinity();
}

double LinearError::cosine() const {
  const double length = std::sqrt(signal * quantizedSquare);
  return length > 0 ? product / length : signal == quantizedSquare ? 1 : 0;
}

/// What int8 activations stand for.
static Matrix roundedInput(const Matrix &input, LinearScheme scheme, StaticScale scale) {
  Matrix rounded = input;
  if (scheme == LinearScheme::W8A8) {
    const IntMatrix values = ops::quantize(input, scale.scale, scale.offset);
    for (size_t i = 0; i < rounded.values.size(); ++i)
      rounded.values[i] = float(values.values[i] - scale.offset) * scale.scale;
  } else if (scheme == LinearScheme::W8A8Dynamic) {
    const ops::QuantizedRows rows = ops::quantizeRows(input);
    for (uint64_t t = 0; t < rounded.rows; ++t)
      for (uint64_t k = 0; k < rounded.columns; ++k)
        rounded.at(t, k) = float(rows.values.at(t, k)) * rows.scales.at(t, 0);
  }
  return rounded;
}

LinearError linearError(const Matrix &input, const Matrix &weight, LinearScheme scheme,
                        StaticScale scale) {
  const Matrix rounded = roundedInput(input, scheme, scale);
  const QuantizedWeight quantized = quantizeWeight(weight);
  std::vector<LinearError> ofOutputs(weight.rows);
  tbb::parallel_for(uint64_t(0), weight.rows, [&](uint64_t n) {
    const float *exact = &weight.at(n, 0);
    const int8_t *rough = &quantized.values[n * weight.columns];
    for (uint64_t t = 0; t < input.rows; ++t) {
      double y = 0, q = 0;
      for (uint64_t k = 0; k < weight.columns; ++k) {
        y += double(input.at(t, k)) * exact[k];
        q += double(rounded.at(t, k)) * rough[k];
      }
      q *= quantized.scales[n];
      ofOutputs[n] += {std::abs(y - q), y * y, (y - q) * (y - q), y * q, q * q};
    }
  });
  LinearError error; // in the order of the outputs: the same sum whatever the threads
  for (const LinearError &each : ofOutputs)
    error += each;
  return error;
}

} // namespace vinci
