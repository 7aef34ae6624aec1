// Weights as Panel32: panels of 32 columns over the full K, read line by line (one cache line: 16
// lanes).
//
// A step of a panel is the weights of k and k + 1. For 16-bit types a step of 16 columns is one
// line of [16 columns][2], so that each 32-bit word holds the weight of k in its lower and of k + 1
// in its upper half; 16 such steps make a 1 KiB tile of columns 0-15, and the tile of columns 16-31
// follows it. For float32 a step is two lines, 32 floats apart.
#pragma once

#include "support/vector.h"

/// The weights of 16 columns for k and k + 1.
struct WeightPair {
  Floats even, odd;
};

/// stepElements: from one step to the next, within 16 steps. halfElements: from columns 0-15 to
/// columns 16-31.
template <typename T> struct Panel;

template <> struct Panel<float> {
  static constexpr uint64_t stepElements = 64, halfElements = 16;
  static WeightPair load(const float *step) { return {::load(step), ::load(step + 32)}; }
};

struct HalfWordPanel {
  static constexpr uint64_t stepElements = 32, halfElements = 512;
};

template <> struct Panel<BFloat16> : HalfWordPanel {
  static WeightPair load(const BFloat16 *step) {
    const Words words = *(const Words *)step;
    return {__builtin_bit_cast(Floats, words << 16),
            __builtin_bit_cast(Floats, words & 0xffff0000u)};
  }
};

template <> struct Panel<_Float16> : HalfWordPanel {
  static WeightPair load(const _Float16 *step) {
    const Words words = *(const Words *)step;
    return {widen(words & 0xffffu), widen(words >> 16)};
  }

private:
  static Floats widen(Words words) {
    using detail::Halves, detail::Shorts;
    const Shorts bits = __builtin_convertvector(words, Shorts);
    return __builtin_convertvector(__builtin_bit_cast(Halves, bits), Floats);
  }
};

/// K as it is stored: padded to 32 with zeros.
constexpr uint64_t paddedDepth(uint64_t k) {
  return (k + 31) / 32 * 32;
}

/// Elements of one panel of a weight with `k` inputs.
constexpr uint64_t panelElements(uint64_t k) {
  return paddedDepth(k) * 32;
}
