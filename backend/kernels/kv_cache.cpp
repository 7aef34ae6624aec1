// kv_append: writes this step's keys and values into their slots of the paged cache. Slot -1 is not
// written.
#include "support/kernel.h"
#include "support/kv_block.h"

namespace {

/// `Tokens` tokens from k and v on, into the slots from `slot` on.
template <int Tokens, typename T>
void appendTokens(T *cache, const T *k, const T *v, uint64_t slot, const KvLayout &layout) {
  const uint64_t width = layout.kvHeads * layout.headDim;
  for (uint64_t head = 0; head < layout.kvHeads; ++head) {
    const T *keys[Tokens], *values[Tokens];
    for (int t = 0; t < Tokens; ++t) {
      keys[t] = k + uint64_t(t) * width + head * layout.headDim;
      values[t] = v + uint64_t(t) * width + head * layout.headDim;
    }
    appendHead<Tokens>(cache, keys, values, head, slot, layout);
  }
}

template <typename T>
void append(const Tile &t, T *cache, const T *k, const T *v, const int32_t *slots,
            const KvLayout &layout) {
  const uint64_t width = layout.kvHeads * layout.headDim;
  for (uint64_t token = t.rowBegin, count; token < t.rowEnd; token += count) {
    count = tokensOfPair(slots, token, t.rowEnd);
    if (slots[token] < 0)
      continue;
    const auto slot = uint64_t(slots[token]);
    if (count == 2)
      appendTokens<2>(cache, k + token * width, v + token * width, slot, layout);
    else
      appendTokens<1>(cache, k + token * width, v + token * width, slot, layout);
  }
}

} // namespace

#define KV_APPEND(T, name)                                                                         \
  extern "C" void vinci_kv_append_##name(VINCI_COMMAND, uint64_t kvHeads, uint64_t headDim,        \
                                         uint64_t blockSize, VINCI_TILES) {                        \
    append<T>(tileOf(dims, tile, symbol, scale, rowBlock, columns), output<T>(buffers, 0),         \
              input<T>(buffers, 1), input<T>(buffers, 2), input<int32_t>(buffers, 3),              \
              KvLayout{kvHeads, headDim, blockSize});                                              \
  }
VINCI_FOR_EACH_TYPE(KV_APPEND)
