// kv_append: writes this step's keys and values into their slots of the paged cache. Slot -1 is not
// written.
#include "support/kernel.h"
#include "support/kv_block.h"

namespace {

template <typename T>
void appendToken(T *cache, const T *k, const T *v, uint64_t slot, const KvLayout &layout) {
  for (uint64_t head = 0; head < layout.kvHeads; ++head)
    appendHead(cache, k + head * layout.headDim, v + head * layout.headDim, head, slot, layout);
}

} // namespace

#define KV_APPEND(T, name)                                                                         \
  extern "C" void vinci_kv_append_##name(VINCI_COMMAND, uint64_t kvHeads, uint64_t headDim,        \
                                         uint64_t blockSize, VINCI_TILES) {                        \
    const Tile t = tileOf(dims, tile, symbol, scale, rowBlock, columns);                           \
    const int32_t *slots = input<int32_t>(buffers, 3);                                             \
    const uint64_t width = kvHeads * headDim;                                                      \
    for (uint64_t token = t.rowBegin; token < t.rowEnd; ++token)                                   \
      if (slots[token] >= 0)                                                                       \
        appendToken(output<T>(buffers, 0), input<T>(buffers, 1) + token * width,                   \
                    input<T>(buffers, 2) + token * width, uint64_t(slots[token]),                  \
                    KvLayout{kvHeads, headDim, blockSize});                                        \
  }
VINCI_FOR_EACH_TYPE(KV_APPEND)
