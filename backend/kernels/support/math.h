// exp, sine and cosine of 16 lanes: the C library's would be calls, and theirs may differ between
// machines.
#pragma once

#include "support/vector.h"

/// e^x within 1.5 ulp; 0 below -104, infinity above 88.8, NaN for NaN; subnormal results are
/// rounded once more.
inline Floats exp(Floats x) {
  // e^x = 2^n e^r with |r| <= ln2/2. ln2 is cut in two so that n * ln2 is exact in its upper part.
  x = select(x < -105.0f, splat(-105.0f), x);
  x = select(x > 89.0f, splat(89.0f), x);
  const Floats n = __builtin_elementwise_roundeven(x * 1.44269504f);
  Floats r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  // Minimax polynomial of (e^r - 1 - r) / r^2 (Cephes, expf).
  Floats p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + 1.0f;
  // 2^n as two factors, each a normal number: n reaches from -151 to 128. A NaN's n is undefined,
  // so it gets none.
  const Ints power = __builtin_convertvector(select(n == n, n, splat(0.0f)), Ints);
  const Ints half = power >> 1;
  const Floats low = __builtin_bit_cast(Floats, (half + 127) << 23);
  const Floats high = __builtin_bit_cast(Floats, (power - half + 127) << 23);
  return p * low * high;
}

struct SineCosine {
  Floats sine, cosine;
};

/// Correct to the last bit or its neighbour for |x| up to 1e7 and beyond: reduced and evaluated in
/// double.
inline SineCosine sineCosine(Floats x) {
  // x = n pi/2 + r with |r| <= pi/4; pi/2 in two parts, the first of 33 bits, so that n times it is
  // exact.
  const Doubles wide = __builtin_convertvector(x, Doubles);
  const Doubles n = __builtin_elementwise_roundeven(wide * 0.63661977236758134);
  Doubles r = __builtin_elementwise_fma(n, Doubles(-1.57079632673412561417), wide);
  r = __builtin_elementwise_fma(n, Doubles(-6.07710050650619224932e-11), r);
  const Doubles z = r * r;
  // Taylor polynomials; their error is below 2^-42 on the interval.
  Doubles s = Doubles(-1.0 / 39916800);
  s = __builtin_elementwise_fma(s, z, Doubles(1.0 / 362880));
  s = __builtin_elementwise_fma(s, z, Doubles(-1.0 / 5040));
  s = __builtin_elementwise_fma(s, z, Doubles(1.0 / 120));
  s = __builtin_elementwise_fma(s, z, Doubles(-1.0 / 6));
  s = __builtin_elementwise_fma(s * z, r, r);
  Doubles c = Doubles(1.0 / 479001600);
  c = __builtin_elementwise_fma(c, z, Doubles(-1.0 / 3628800));
  c = __builtin_elementwise_fma(c, z, Doubles(1.0 / 40320));
  c = __builtin_elementwise_fma(c, z, Doubles(-1.0 / 720));
  c = __builtin_elementwise_fma(c, z, Doubles(1.0 / 24));
  c = __builtin_elementwise_fma(c, z, Doubles(-0.5));
  c = __builtin_elementwise_fma(c, z, Doubles(1.0));
  // The quadrant swaps and negates.
  const Ints quadrant = __builtin_convertvector(n, Ints);
  const Floats sine = __builtin_convertvector(s, Floats);
  const Floats cosine = __builtin_convertvector(c, Floats);
  const Ints swap = (quadrant & 1) != 0;
  const Floats sineSide = select(swap, cosine, sine);
  const Floats cosineSide = select(swap, sine, cosine);
  return {select((quadrant & 2) != 0, -sineSide, sineSide),
          select(((quadrant + 1) & 2) != 0, -cosineSide, cosineSide)};
}
