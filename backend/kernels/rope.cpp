// rope_table: cosines, then sines, of position * inv_freq. rope: rotates each head by them,
// dimension d together with dimension d + head_dim / 2 ("rotate half"). rope_qk: queries and keys.
#include "support/kernel.h"
#include "support/math.h"
#include "support/rows.h"

namespace {

/// Rotates the heads of a token.
template <typename T, typename C>
void rotateToken(T *out, const T *x, const C *table, uint64_t token, uint64_t heads,
                 uint64_t headDim) {
  const C *cosines = table + token * headDim;
  for (uint64_t head = token * heads; head < (token + 1) * heads; ++head)
    rotateHead(out + head * headDim, x + head * headDim, cosines, cosines + headDim / 2,
               headDim / 2);
}

} // namespace

// The angle is rounded to float32 as Hugging Face rounds it; its sine and cosine are then exact.
#define ROPE_TABLE(T, name)                                                                        \
  extern "C" void vinci_rope_table_##name(VINCI_COMMAND, uint64_t headDim, VINCI_TILES) {          \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const int32_t *positions = input<int32_t>(buffers, 1);                                         \
    const float *frequencies = input<float>(buffers, 2);                                           \
    const uint64_t half = headDim / 2;                                                             \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token) {                                 \
      T *cosines = output<T>(buffers, 0) + token * headDim;                                        \
      const Floats position = splat(float(positions[token]));                                      \
      forLanes(half, [&](uint64_t i, uint64_t count) {                                             \
        const SineCosine value = sineCosine(position * loadUpTo(frequencies + i, count));          \
        storeUpTo(cosines + i, value.cosine, count);                                               \
        storeUpTo(cosines + half + i, value.sine, count);                                          \
      });                                                                                          \
    }                                                                                              \
  }
VINCI_FOR_EACH_TYPE(ROPE_TABLE)

#define ROPE(T, name, C, region)                                                                   \
  extern "C" void vinci_rope_##name##_##region(VINCI_COMMAND, uint64_t heads, uint64_t headDim,    \
                                               VINCI_TILES) {                                      \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token)                                   \
      rotateToken(output<T>(buffers, 0), input<T>(buffers, 1), input<C>(buffers, 2), token, heads, \
                  headDim);                                                                        \
  }
#define ROPE_QK(T, name, C, region)                                                                \
  extern "C" void vinci_rope_qk_##name##_##region(VINCI_COMMAND, uint64_t heads, uint64_t kvHeads, \
                                                  uint64_t headDim, VINCI_TILES) {                 \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token) {                                 \
      rotateToken(output<T>(buffers, 0), input<T>(buffers, 2), input<C>(buffers, 4), token, heads, \
                  headDim);                                                                        \
      rotateToken(output<T>(buffers, 1), input<T>(buffers, 3), input<C>(buffers, 4), token,        \
                  kvHeads, headDim);                                                               \
    }                                                                                              \
  }
VINCI_FOR_EACH_TYPE_AND_REGION(ROPE)
VINCI_FOR_EACH_TYPE_AND_REGION(ROPE_QK)
