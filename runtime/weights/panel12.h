// Panel12: bfloat16 in 12 bits, without loss.
//
// The exponents of a weight's values take few of the 256 there are, so a value is kept as its sign
// and mantissa, 8 bits, and the place of its exponent in a table of 16, 4 bits; each panel of 32
// columns has a table of its own, of those that are most frequent there. A tile of Panel32 (512
// values, 1024 bytes) becomes 768 bytes. A tile with a value whose exponent is not in the table
// stays as it is: 768 bytes of it lie where those of the others lie, the last 256 elsewhere. So
// every weight has the same size as Panel32, but for the tables, and what is read of it is three
// quarters.
//
//   main    at 0                768 bytes of each tile, panel by panel, in the order of Panel32
//   rest    after all of main   256 bytes of each tile: the end of one that stayed, else zeros
//   heads   after all of rest   of each panel: 16 bytes exponent >> 1; 16 bytes
//                               (exponent & 1) << 7; a byte for each 32 of k, bits 0 and 1 of
//                               which say that the tile of columns 0-15, or 16-31, stayed; zeros
//                               up to a multiple of 64
//
// A tile's 16 lines [16 columns][2] are four quads of four lines, 192 bytes each: 64 places, and
// twice 64 signs and mantissas, of two lines. Byte 16 i + j of these is value 8 i + j of the first
// of the two lines (j < 8) or 8 i + j - 8 of the second; the place of that value is in byte 16 i +
// j of the places, in the lower half for the first two lines of the quad and in the upper half for
// the others.
#pragma once

#include "runtime/plan/layout.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace vinci {

inline constexpr uint64_t panel12TileElements = 512, panel12StepElements = 1024;
inline constexpr uint64_t panel12MainBytes = 768, panel12RestBytes = 256;

/// Where the parts of a weight [n, k] lie, in bytes from its beginning.
class Panel12Layout {
public:
  Panel12Layout(uint64_t n, uint64_t k)
      : panels_((n + panelWidth - 1) / panelWidth), steps_((k + 31) / 32),
        headBytes_(panel12HeadBytes(k)) {}

  uint64_t panels() const { return panels_; }
  /// Pairs of tiles in a panel.
  uint64_t steps() const { return steps_; }
  uint64_t tiles() const { return panels_ * steps_ * 2; }
  uint64_t main(uint64_t panel) const { return panel * steps_ * 2 * panel12MainBytes; }
  uint64_t rest(uint64_t panel) const {
    return tiles() * panel12MainBytes + panel * steps_ * 2 * panel12RestBytes;
  }
  uint64_t head(uint64_t panel) const {
    return tiles() * (panel12MainBytes + panel12RestBytes) + panel * headBytes_;
  }
  uint64_t headBytes() const { return headBytes_; }
  uint64_t bytes() const { return head(panels_); }

private:
  uint64_t panels_, steps_, headBytes_;
};

/// Writes a panel, given as the tiles of Panel32, into the weight at `to`.
void encodePanel12(std::span<const uint16_t> tiles, const Panel12Layout &layout, uint64_t panel,
                   std::byte *to);

/// The tiles that stayed as they are in a weight.
uint64_t countWholeTiles(const Panel12Layout &layout, std::span<const std::byte> weight);

/// What a product reads of a weight: three quarters, and the rest of tiles that stayed as they are.
uint64_t bytesRead(const Panel12Layout &layout, std::span<const std::byte> weight);

} // namespace vinci
