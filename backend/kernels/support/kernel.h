// What every kernel template is made of: its signature, its tile and its element types.
//
// A template is an `extern "C"` function `vinci_<op>[_<dtype>]`. Its parameters are those of a
// VinciKernel, then the constants of its catalogue entry in order (integers as uint64_t, reals as
// double), then the tile rule. The code generator calls it with constants from a wrapper of the
// VinciKernel type and inlines everything.
#pragma once

#include "runtime/plan/kernel_abi.h"
#include "support/vector.h"

#define VINCI_COMMAND void *const *buffers, const uint64_t *dims, uint32_t tile
#define VINCI_TILES uint64_t symbol, uint64_t scale, uint64_t rowBlock, uint64_t columns

/// The part of a command's rows and columns that one tile computes.
struct Tile {
  uint64_t rowBegin, rowEnd;
  uint64_t column, columns;

  /// The share of this tile's column in `count` things: balanced to within one, in order.
  uint64_t shareBegin(uint64_t count) const { return column * count / columns; }
  uint64_t shareEnd(uint64_t count) const { return (column + 1) * count / columns; }
};

inline Tile tileOf(const uint64_t *dims, uint32_t tile, VINCI_TILES) {
  const uint64_t rows = dims[symbol] * scale;
  const uint64_t begin = tile / columns * rowBlock;
  const uint64_t end = begin + rowBlock;
  return {begin, end < rows ? end : rows, tile % columns, columns};
}

template <typename T> inline T *output(void *const *buffers, int index) {
  return (T *)buffers[index];
}
template <typename T> inline const T *input(void *const *buffers, int index) {
  return (const T *)buffers[index];
}

/// Instantiates MACRO(type, name) for the element types of activations and weights.
#define VINCI_FOR_EACH_TYPE(MACRO)                                                                 \
  MACRO(float, float32) MACRO(BFloat16, bfloat16) MACRO(_Float16, float16)

/// Instantiates MACRO(type, name, region's type, its name) for the element types, each with a
/// region that computes in float32 and with one that computes in the element type.
#define VINCI_FOR_EACH_TYPE_AND_REGION(MACRO)                                                      \
  MACRO(float, float32, float, float32)                                                            \
  MACRO(BFloat16, bfloat16, float, float32)                                                        \
  MACRO(BFloat16, bfloat16, BFloat16, bfloat16)                                                    \
  MACRO(_Float16, float16, float, float32) MACRO(_Float16, float16, _Float16, float16)
