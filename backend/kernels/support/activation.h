// The gated linear unit, for kernels that compute it alone and those that do it on the way.
#pragma once

#include "support/math.h"

inline Floats silu(Floats x) {
  return x / (exp(-x) + 1.0f);
}

/// silu(gate) * up, to be rounded. The activation is rounded as if stored.
template <typename T> inline Floats gated(Floats gate, Floats up) {
  return roundTo<T>(silu(gate)) * up;
}
