// Where the products of amx_product.h have the tiles of a weight from: int8 from the weight itself;
// those of Panel12 (bfloat16) are expanded to memory first, as that is where tiles are loaded from.
// For up to 16 rows they are expanded as they come, for more by the first block of rows, a step
// ahead of its products.
#pragma once

#include "support/amx.h"
#include "support/panel12.h"

/// A weight's panels as tiles in memory.
template <typename T> struct AmxWeight;

template <> struct AmxWeight<int8_t> {
  const int8_t *weights;

  /// What a panel has in memory for each step.
  static constexpr uint64_t bytesOfStep = 2 * tileBytes;
  /// Steps that are multiplied by all rows before the next ones.
  static constexpr uint64_t stretch = ~uint64_t(0);
  struct Scratch {};

  const char *at(uint64_t panel, uint64_t step, uint64_t steps) const {
    return (const char *)weights + (panel * steps + step) * bytesOfStep;
  }
  /// Where tiles of a panel from `step` on will be, once expand() has been called for each.
  const char *begin(uint64_t panel, uint64_t step, uint64_t steps, Scratch &) const {
    return at(panel, step, steps);
  }
  static void expand(Scratch &, uint64_t) {}
};

template <> struct AmxWeight<BFloat16> {
  Weight12 weight;

  static constexpr uint64_t bytesOfStep = stepMainBytes;
  static constexpr uint64_t stretch = 64;
  struct Scratch {
    Panel12 panel;
    ExponentTable table;
    uint64_t first;
    alignas(64) BFloat16 tiles[stretch * stepElements];
  };

  const char *at(uint64_t panel, uint64_t step, uint64_t) const {
    return (const char *)weight.panel(panel).tile(step, 0);
  }
  const char *begin(uint64_t panel, uint64_t step, uint64_t, Scratch &scratch) const {
    scratch.panel = weight.panel(panel);
    scratch.table = scratch.panel.table();
    scratch.first = step;
    return (const char *)scratch.tiles;
  }
  /// Step `i` from there.
  static void expand(Scratch &scratch, uint64_t i) {
#pragma clang loop unroll(disable)
    for (uint64_t half = 0; half < 2; ++half)
      expandTile(scratch.tiles + i * stepElements + half * tileElements, scratch.panel,
                 scratch.first + i, half, scratch.table);
  }
};

namespace detail {

/// The tiles of up to two panels, a step after the other.
template <int Panels, typename T> class TileStream;

template <int Panels> class TileStream<Panels, int8_t> {
public:
  struct Memory {};

  TileStream(const AmxWeight<int8_t> &weight, const uint64_t (&panels)[Panels], uint64_t steps,
             Memory *) {
    for (int i = 0; i < Panels; ++i)
      at_[i] = weight.at(panels[i], 0, steps);
  }
  /// The tile of columns 0-15, or 16-31, of this step.
  const char *tile(int panel, int half) const {
    constexpr uint64_t ahead = 2048;
    const char *tile = at_[panel] + half * tileBytes;
#pragma clang loop unroll(full)
    for (int line = 0; line < 16; ++line)
      __builtin_prefetch(tile + ahead + line * 64);
    return tile;
  }
  void ready() {}
  void next() {
    for (int i = 0; i < Panels; ++i)
      at_[i] += 2 * tileBytes;
  }

private:
  const char *at_[Panels];
};

/// Expanded where the tiles of the step before were not.
template <int Panels> class TileStream<Panels, BFloat16> {
public:
  struct Memory {
    alignas(64) BFloat16 tiles[2][2 * Panels][tileElements];
  };

  TileStream(const AmxWeight<BFloat16> &weight, const uint64_t (&panels)[Panels], uint64_t,
             Memory *memory)
      : memory_(memory) {
#pragma clang loop unroll(full)
    for (int i = 0; i < Panels; ++i) {
      panels_[i] = weight.weight.panel(panels[i]);
      tables_[i] = panels_[i].table();
    }
  }
  const char *tile(int panel, int half) const {
    return (const char *)memory_->tiles[step_ % 2][2 * panel + half];
  }
  void ready() {
    constexpr uint64_t ahead = 4096;
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * Panels; ++i) {
      const uint8_t *main = panels_[i / 2].tile(step_, i % 2);
#pragma clang loop unroll(full)
      for (uint64_t line = 0; line < tileMainBytes / 64; ++line)
        __builtin_prefetch(main + ahead + line * 64);
      expandTile(memory_->tiles[step_ % 2][i], panels_[i / 2], step_, i % 2, tables_[i / 2]);
    }
  }
  void next() {
    ++step_;
  }

private:
  Panel12 panels_[Panels];
  ExponentTable tables_[Panels];
  Memory *memory_;
  uint64_t step_ = 0;
};

} // namespace detail
