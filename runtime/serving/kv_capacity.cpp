#include "runtime/serving/kv_capacity.h"

#include "runtime/support/error.h"

#include <cmath>

namespace vinci {

uint32_t KvGeometry::blocksIn(double gib) const {
  const double blocks = std::floor(gib * 0x1p30 / double(bytesPerBlock()));
  if (!(blocks >= 1 && blocks <= 0x7fffffff))
    fail("{} GiB for the KV cache are {} blocks of {} bytes; 1 to {} blocks are expected", gib,
         blocks, bytesPerBlock(), 0x7fffffff);
  return uint32_t(blocks);
}

uint32_t blocksPerRequest(uint32_t inputTokens, uint32_t outputTokens, uint32_t blockSize) {
  return uint32_t((uint64_t(inputTokens) + blockSize - 1) / blockSize +
                  (uint64_t(outputTokens) + blockSize - 1) / blockSize);
}

double kvGibLeft(const DeviceMemory &memory) {
  const double left = memory.total * memory.fraction - memory.weights - memory.other;
  if (!(left > 0))
    fail("no memory is left for the KV cache: {} of {} GiB are {} GiB, of which weights take {} "
         "and everything else {}",
         memory.fraction, memory.total, memory.total * memory.fraction, memory.weights,
         memory.other);
  return left;
}

} // namespace vinci
