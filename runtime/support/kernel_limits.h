// What kernels take, where passes must know it before.
#pragma once

#include <cstdint>

namespace vinci {

/// Experts that gate in one kernel: gate and up are whole panels of that many columns of a weight,
/// and a row that is quantised at once has at most maxGatedRow elements.
inline constexpr int64_t gatedColumns = 32, maxGatedRow = 16384;

} // namespace vinci
