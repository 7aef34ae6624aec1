// Weights as Panel32: panels of 32 columns over the full K, read line by line (one cache line: 16 lanes).
//
// A step of a panel is the weights of k and k + 1 for 32 columns. For 16-bit types that is two lines of [16 columns][2],
// so that each 32-bit word holds the weight of k in its lower and of k + 1 in its upper half; 16 such steps make a 1 KiB
// tile of columns 0-15, and the tile of columns 16-31 follows it. For float32 it is four lines of 16 floats.
#pragma once

#include "support/vector.h"

/// The weights of 16 columns for k and k + 1.
struct WeightPair {
  Floats even, odd;
};

template <typename T> struct Panel;

template <> struct Panel<float> {
  static constexpr uint64_t stride = 64; // elements from one step to the next within 16 steps
  static WeightPair load(const float *step, int columnTile) {
    return {::load(step + columnTile * 16), ::load(step + 32 + columnTile * 16)};
  }
};

template <typename T> struct HalfWordPanel {
  static constexpr uint64_t stride = 32;
  static Words line(const T *step, int columnTile) {
    return *(const Words *)(step + columnTile * 512);
  }
};

template <> struct Panel<BFloat16> : HalfWordPanel<BFloat16> {
  static WeightPair load(const BFloat16 *step, int columnTile) {
    const Words words = line(step, columnTile);
    return {__builtin_bit_cast(Floats, words << 16),
            __builtin_bit_cast(Floats, words & 0xffff0000u)};
  }
};

template <> struct Panel<_Float16> : HalfWordPanel<_Float16> {
  static WeightPair load(const _Float16 *step, int columnTile) {
    const Words words = line(step, columnTile);
    return {fromHalf(words), fromHalf(words >> 16)};
  }

private:
  static Floats fromHalf(Words words) {
    using Shorts = uint16_t __attribute__((ext_vector_type(16)));
    using Halves = _Float16 __attribute__((ext_vector_type(16)));
    const Shorts bits = __builtin_convertvector(words & 0xffffu, Shorts);
    return __builtin_convertvector(__builtin_bit_cast(Halves, bits), Floats);
  }
};

/// Elements of one panel of a weight with `k` inputs; K is padded to 32 with zeros.
constexpr uint64_t panelElements(uint64_t k) { return (k + 31) / 32 * 32 * 32; }
