// What kernels do to one row or one head, for those that do it alone and those that do it on the
// way.
#pragma once

#include "support/vector.h"

/// What the norm of a row multiplies its elements with. Computes in C: float32, or T, in which
/// every result is rounded (but for the running sum).
template <typename T, typename C> inline Floats rmsFactor(const T *x, uint64_t n, float eps) {
  Floats squares = splat(0.0f);
  forLanes(n, [&](uint64_t i, uint64_t count) {
    const Floats v = loadUpTo(x + i, count);
    squares = isFloat32<C> ? fma(v, v, squares) : squares + roundTo<C>(v * v);
  });
  const float mean = roundTo<C>(sumLanes(squares) / float(n));
  const float sum = roundTo<C>(mean + roundTo<C>(eps));
  return splat(roundTo<C>(1.0f / __builtin_elementwise_sqrt(sum)));
}

/// What a norm does to the elements of a row after it has divided by their root mean square.
template <typename T> struct NormWeights {
  const T *weight;
  const T *bias = nullptr; ///< null: none
};

/// Elements from `i` on of the normalised row, to be rounded. Hugging Face rounds the normalised
/// value to the element type before it multiplies with the weight; a bias is added to the rounded
/// product.
template <typename T>
inline Floats normalised(const T *x, NormWeights<T> weights, Floats factor, uint64_t i,
                         uint64_t count) {
  const Floats scaled =
      roundTo<T>(loadUpTo(x + i, count) * factor) * loadUpTo(weights.weight + i, count);
  return weights.bias ? roundTo<T>(scaled) + loadUpTo(weights.bias + i, count) : scaled;
}

template <typename T, typename C>
inline void rmsNormRow(T *out, const T *x, NormWeights<T> weights, uint64_t n, float eps) {
  const Floats factor = rmsFactor<T, C>(x, n, eps);
  forLanes(n, [&](uint64_t i, uint64_t count) {
    storeUpTo(out + i, normalised(x, weights, factor, i, count), count);
  });
}

/// a * b + c * d: with one rounding less in float32, with all of them in T.
template <typename C> inline Floats sumOfProducts(Floats a, Floats b, Floats c, Floats d) {
  return isFloat32<C> ? fma(a, b, c * d) : roundTo<C>(a * b) + roundTo<C>(c * d);
}

/// Computes in C, the type of the table: float32, or T, in which every result is rounded.
template <typename T, typename C>
inline void rotateHead(T *out, const T *x, const C *cosines, const C *sines, uint64_t half) {
  // Both halves are read before either is written: the kernel may run in place.
  forLanes(half, [&](uint64_t i, uint64_t count) {
    const Floats low = loadUpTo(x + i, count), high = loadUpTo(x + half + i, count);
    const Floats cosine = loadUpTo(cosines + i, count), sine = loadUpTo(sines + i, count);
    storeUpTo(out + i, sumOfProducts<C>(low, cosine, -high, sine), count);
    storeUpTo(out + half + i, sumOfProducts<C>(high, cosine, low, sine), count);
  });
}
