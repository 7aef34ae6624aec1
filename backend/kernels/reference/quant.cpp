// References of the ops on int8. Sums are exact integers; what is done to them in float32 is part
// of the ops' definition, and done in float32 here too.
#include "backend/kernels/reference/command.h"

#include <algorithm>
#include <cmath>

namespace vinci::reference {
namespace {

int8_t toInt8(float value) {
  return std::isnan(value)
             ? int8_t{0}
             : static_cast<int8_t>(std::nearbyint(std::clamp(value, -128.0f, 127.0f)));
}

/// The int32 that a sum of products wraps to.
int32_t dot(const int8_t *x, const Elements &weights, uint64_t base, uint64_t column,
            uint64_t depth) {
  int64_t sum = 0;
  for (uint64_t k = 0; k < depth; ++k)
    sum += int64_t{x[k]} *
           static_cast<int64_t>(weights.get(base + panelIndex(column, k, depth, DType::Int8)));
  return static_cast<int32_t>(sum);
}

} // namespace

void quantize(const Command &c) {
  const float scale = c.floats(2)[0], offset = c.floats(3)[0];
  for (uint64_t i = 0; i < c.tokens() * c.size("n"); ++i) {
    const auto x = static_cast<float>(c.typed(1).get(i));
    c.bytes(0)[i] = toInt8(x / scale + offset);
  }
}

void dynamicQuantize(const Command &c) {
  const uint64_t n = c.size("n");
  for (uint64_t row = 0; row < c.tokens() * c.size("rows_per_token"); ++row) {
    float largest = 0;
    for (uint64_t i = row * n; i < (row + 1) * n; ++i) {
      const auto x = static_cast<float>(std::abs(c.typed(2).get(i)));
      largest = std::isnan(x) || x > largest ? x : largest;
    }
    const float scale = largest / 127;
    c.floats(1)[row] = scale;
    for (uint64_t i = row * n; i < (row + 1) * n; ++i)
      c.bytes(0)[i] = scale == 0 ? 0 : toInt8(static_cast<float>(c.typed(2).get(i)) / scale);
  }
}

void quantMatmul(const Command &c) {
  const uint64_t n = c.size("n"), k = c.size("k");
  for (uint64_t row = 0; row < c.tokens(); ++row)
    for (uint64_t column = 0; column < n; ++column) {
      const uint32_t sum =
          static_cast<uint32_t>(dot(c.bytes(1) + row * k, c.typed(2, DType::Int8), 0, column, k));
      const auto biased = static_cast<int32_t>(sum + static_cast<uint32_t>(c.ints(3)[column]));
      c.typed(0).set(row * n + column, static_cast<float>(biased) * c.floats(4)[column]);
    }
}

void dynamicQuantMatmul(const Command &c) {
  const uint64_t n = c.size("n"), k = c.size("k");
  for (uint64_t row = 0; row < c.tokens(); ++row)
    for (uint64_t column = 0; column < n; ++column) {
      float result =
          static_cast<float>(dot(c.bytes(1) + row * k, c.typed(3, DType::Int8), 0, column, k));
      result = result * c.floats(2)[row] * c.floats(4)[column];
      if (c.size("bias") != 0)
        result += static_cast<float>(c.typed(5).get(column));
      c.typed(0).set(row * n + column, result);
    }
}

void groupedDynamicQuantMatmul(const Command &c) {
  const uint64_t n = c.size("n"), k = c.size("k"), topK = c.size("top_k");
  for (uint64_t expert = 0; expert < c.size("num_experts"); ++expert)
    for (auto row = static_cast<uint64_t>(c.ints(4)[expert]);
         row < static_cast<uint64_t>(c.ints(4)[expert + 1]); ++row) {
      const uint64_t source =
          c.size("gather") != 0 ? static_cast<uint64_t>(c.ints(3)[row]) / topK : row;
      for (uint64_t column = 0; column < n; ++column) {
        const auto sum =
            static_cast<float>(dot(c.bytes(1) + source * k, c.typed(5, DType::Int8),
                                   expert * panelElements(n, k, DType::Int8), column, k));
        c.typed(0).set(row * n + column,
                       sum * c.floats(2)[source] * c.floats(6)[expert * n + column]);
      }
    }
}

} // namespace vinci::reference
