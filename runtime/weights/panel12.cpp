#include "runtime/weights/panel12.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

namespace vinci {

namespace {

constexpr uint8_t noPlace = 0xff;

uint32_t exponentOf(uint16_t value) {
  return value >> 7 & 0xff;
}

uint8_t signAndMantissaOf(uint16_t value) {
  return uint8_t((value >> 8 & 0x80) | (value & 0x7f));
}

/// The 16 most frequent exponents, the smaller first among equals, in ascending order.
std::array<uint8_t, 16> mostFrequent(std::span<const uint16_t> values) {
  std::array<std::array<uint32_t, 256>, 4> counts =
      {}; // one chain of additions would wait for itself
  for (size_t i = 0; i < values.size(); ++i)
    ++counts[i % 4][exponentOf(values[i])];
  for (size_t e = 0; e < 256; ++e)
    counts[0][e] += counts[1][e] + counts[2][e] + counts[3][e];
  std::array<uint8_t, 256> order;
  std::iota(order.begin(), order.end(), uint8_t(0));
  std::ranges::stable_sort(order, std::greater<>(), [&](uint8_t e) { return counts[0][e]; });
  std::array<uint8_t, 16> chosen;
  std::copy_n(order.begin(), chosen.size(), chosen.begin());
  std::ranges::sort(chosen);
  return chosen;
}

/// The places of the tile's exponents; false if one has none.
bool findPlaces(const uint16_t *tile, const std::array<uint8_t, 256> &placeOf, uint8_t *places) {
  uint8_t none = 0;
  for (uint64_t i = 0; i < panel12TileElements; ++i) {
    places[i] = placeOf[exponentOf(tile[i])];
    none |= places[i];
  }
  return (none & 0x80) == 0;
}

void encodeTile(const uint16_t *tile, const uint8_t *places, uint8_t *main) {
  constexpr uint64_t lineValues = 32;
  for (uint64_t quad = 0; quad < 4; ++quad, main += 192)
    for (uint64_t i = 0; i < 64; ++i) {
      const uint64_t line = quad * 4 + i % 16 / 8, value = i / 16 * 8 + i % 8;
      const uint64_t first = line * lineValues + value, second = first + 2 * lineValues;
      main[i] = uint8_t(places[first] | places[second] << 4);
      main[64 + i] = signAndMantissaOf(tile[first]);
      main[128 + i] = signAndMantissaOf(tile[second]);
    }
}

} // namespace

void encodePanel12(std::span<const uint16_t> tiles, const Panel12Layout &layout, uint64_t panel,
                   std::byte *to) {
  uint8_t *main = reinterpret_cast<uint8_t *>(to) + layout.main(panel);
  uint8_t *rest = reinterpret_cast<uint8_t *>(to) + layout.rest(panel);
  uint8_t *head = reinterpret_cast<uint8_t *>(to) + layout.head(panel);
  const std::array<uint8_t, 16> exponents = mostFrequent(tiles);
  std::array<uint8_t, 256> placeOf;
  placeOf.fill(noPlace);
  std::memset(head, 0, layout.headBytes());
  for (uint8_t place = 0; place < exponents.size(); ++place) {
    placeOf[exponents[place]] = place;
    head[place] = exponents[place] >> 1;
    head[16 + place] = uint8_t((exponents[place] & 1) << 7);
  }
  for (uint64_t i = 0; i < layout.steps() * 2; ++i) {
    const uint16_t *tile = &tiles[i * panel12TileElements];
    std::array<uint8_t, panel12TileElements> places;
    if (findPlaces(tile, placeOf, places.data())) {
      encodeTile(tile, places.data(), main);
      std::memset(rest, 0, panel12RestBytes);
    } else {
      head[32 + i / 2] |= uint8_t(1 << i % 2);
      std::memcpy(main, tile, panel12MainBytes);
      std::memcpy(rest, tile + panel12MainBytes / 2, panel12RestBytes);
    }
    main += panel12MainBytes;
    rest += panel12RestBytes;
  }
}

uint64_t countWholeTiles(const Panel12Layout &layout, std::span<const std::byte> weight) {
  uint64_t count = 0;
  for (uint64_t panel = 0; panel < layout.panels(); ++panel)
    for (uint64_t step = 0; step < layout.steps(); ++step)
      count += uint64_t(std::popcount(uint8_t(weight[layout.head(panel) + 32 + step])));
  return count;
}

uint64_t bytesRead(const Panel12Layout &layout, std::span<const std::byte> weight) {
  return layout.tiles() * panel12MainBytes + countWholeTiles(layout, weight) * panel12RestBytes +
         layout.panels() * layout.headBytes();
}

} // namespace vinci
