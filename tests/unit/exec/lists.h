// Command lists of plain C++ kernels, for the tests of the executor.
#pragma once

#include "runtime/device/command_list.h"

#include <atomic>
#include <memory>
#include <random>
#include <span>
#include <vector>

namespace vinci::test {

/// What a checked command leaves behind, and what it checks.
struct Trace {
  std::atomic<uint64_t> tilesRun{0}; ///< over all steps
  std::atomic<uint64_t> tileSum{0};
  std::vector<const Trace *> before; ///< commands that must have finished
  const Trace *previousTrace = nullptr;
  std::atomic<uint64_t> early{0}; ///< tiles that ran although one of `before` had not finished
  TileRule tiles;
};

/// The tiles that a command has run after `steps` steps with the same dims.
inline uint64_t expectedTiles(const Trace &trace, const StepDims &dims, uint64_t steps) {
  return trace.tiles.tiles(dims) * steps;
}

/// buffers: Trace, step counter. Counts itself and checks that everything before it is finished.
inline void tracedKernel(void *const *buffers, const uint64_t *dims, uint32_t tile) {
  auto &trace = *static_cast<Trace *>(buffers[0]);
  uint64_t steps = *static_cast<const uint64_t *>(buffers[1]);
  StepDims all;
  std::copy(dims, dims + VINCI_DIM_COUNT, all.values.begin());
  for (const Trace *before : trace.before)
    if (before->tilesRun.load() != expectedTiles(*before, all, steps))
      ++trace.early;
  trace.tilesRun.fetch_add(1);
  trace.tileSum.fetch_add(tile);
}

/// A list of `size` traced commands with random dependencies, barriers and tile rules.
struct RandomList {
  RandomList(uint32_t size, uint32_t seed) : traces(size) {
    std::mt19937 random(seed);
    auto below = [&](uint32_t bound) { return uint32_t(random() % bound); };
    uint32_t barrier = 0;
    for (uint32_t i = 0; i < size; ++i) {
      if (below(20) == 0) {
        list.barrier();
        barrier = i;
      }
      Trace &trace = traces[i];
      trace.tiles = {VinciDim(below(VINCI_DIM_COUNT)), 1 + below(3), 1 + below(4), 1 + below(3)};
      std::vector<uint32_t> waits;
      for (uint32_t j = 0; j < barrier; ++j)
        trace.before.push_back(&traces[j]);
      for (uint32_t n = below(3); i > 0 && n > 0; --n) {
        waits.push_back(i - 1 - below(std::min(i, 6u)));
        trace.before.push_back(&traces[waits.back()]);
      }
      void *buffers[] = {&trace, &steps};
      list.add({tracedKernel, buffers, trace.tiles, &dims}, waits);
    }
  }

  StepDims dims;
  uint64_t steps = 1; ///< what the kernels take for the number of steps so far, this one included
  std::vector<Trace> traces;
  CommandList list;
};

} // namespace vinci::test
