// How many KV blocks fit into memory, and how many requests into the blocks.
#pragma once

#include <cstdint>

namespace vinci {

/// What a block is made of on one device.
struct KvGeometry {
  uint32_t layers = 0;
  uint32_t kvHeads = 0; ///< on the device: a rank's share, at least one
  uint32_t headDim = 0;
  uint32_t bytesPerElement = 2;
  uint32_t blockSize = 128; ///< tokens

  /// Keys and values of all layers.
  uint64_t bytesPerBlock() const {
    return uint64_t(layers) * blockSize * kvHeads * headDim * bytesPerElement * 2;
  }
  /// Whole blocks in so many GiB. Throws Error if there is not even one.
  uint32_t blocksIn(double gib) const;
};

/// As MindIE's manual counts: input and output each begin a block of their own.
uint32_t blocksPerRequest(uint32_t inputTokens, uint32_t outputTokens, uint32_t blockSize);

/// What is known of a device's memory before the cache is laid out; GiB.
struct DeviceMemory {
  double total = 0;
  double fraction = 0; ///< of the total that the server may use
  double weights = 0;
  double other = 0; ///< activations, run time, system, captured graphs
};

/// What is left for the KV cache: total * fraction - weights - other, which is what MindIE does for
/// npuMemSize -1 (fraction 0.8, NPU_MEMORY_FRACTION) and vLLM for gpu-memory-utilization. Throws
/// Error, showing the sum, if nothing is left.
double kvGibLeft(const DeviceMemory &memory);

} // namespace vinci
