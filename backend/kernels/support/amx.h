// Tiles of AMX: eight registers of 16 rows of 64 bytes, and the products of two of them.
//
// Only kernels for targets with AMX get here (vinciHasAmx); elsewhere the calls are dead code that
// the optimiser removes. A kernel configures the tiles when it begins and releases them when it
// ends, as it keeps no state.
#pragma once

#include "support/vector.h"

#define VINCI_AMX __attribute__((target("amx-tile,amx-bf16,amx-int8")))

constexpr uint64_t tileRows = 16, tileBytes = 1024, tileRowBytes = 64;

/// The operand of ldtilecfg (Intel SDM, "Tile configuration").
struct alignas(64) TileConfiguration {
  uint8_t palette = 1, startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t columnBytes[16] = {};
  uint8_t rows[16] = {};
};

/// Tiles 0 to 4 have `rows` rows, tiles 5 to 7 all 16.
VINCI_AMX inline void configureTiles(uint64_t rows) {
  TileConfiguration configuration;
#pragma clang loop unroll(full)
  for (int tile = 0; tile < 8; ++tile) {
    configuration.columnBytes[tile] = tileRowBytes;
    configuration.rows[tile] = tile < 5 ? uint8_t(rows) : uint8_t(tileRows);
  }
  __builtin_ia32_tile_loadconfig(&configuration);
}

VINCI_AMX inline void releaseTiles() {
  __builtin_ia32_tilerelease();
}

template <int tile> VINCI_AMX inline void zeroTile() {
  __builtin_ia32_tilezero(tile);
}

/// Rows are `stride` bytes apart.
template <int tile> VINCI_AMX inline void loadTile(const void *from, uint64_t stride) {
  __builtin_ia32_tileloadd64(tile, from, stride);
}

template <int tile> VINCI_AMX inline void storeTile(void *to, uint64_t stride = tileRowBytes) {
  __builtin_ia32_tilestored64(tile, to, stride);
}

/// sums += x * w, x of rows of elements along k, w as a tile of a Panel32.
template <int sums, int x, int w> VINCI_AMX inline void multiplyTiles(const BFloat16 *) {
  __builtin_ia32_tdpbf16ps(sums, x, w);
}
template <int sums, int x, int w> VINCI_AMX inline void multiplyTiles(const int8_t *) {
  __builtin_ia32_tdpbssd(sums, x, w);
}
