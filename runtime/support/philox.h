// Philox4x32-10, the counter-based random generator of Salmon, Moraes, Dror and Shaw, "Parallel
// random numbers: as easy as 1, 2, 3" (2011). A number depends on key and counter only, so that no
// draw can disturb another.
#pragma once

#include <array>
#include <cstdint>

namespace vinci {

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                          std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t first = uint64_t(0xD2511F53) * counter[0];
    uint64_t second = uint64_t(0xCD9E8D57) * counter[2];
    counter = {uint32_t(second >> 32) ^ counter[1] ^ key[0], uint32_t(second),
               uint32_t(first >> 32) ^ counter[3] ^ key[1], uint32_t(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// What draws of one seed are for; draws of different streams have nothing to do with each other.
enum class RandomStream : uint32_t {
  Sampling,
  InputTokens,
  OutputTokens,
  PromptIds,
  Arrivals,
  ThinkTimes,
  HostJitter,
  ExpertPlaces,
  Weights
};

/// A number in [0, 1), a multiple of 2^-53, that depends on the arguments only.
inline double uniformAt(uint64_t seed, uint64_t position,
                        RandomStream stream = RandomStream::Sampling) {
  std::array<uint32_t, 4> bits =
      philox4x32({uint32_t(position), uint32_t(position >> 32), uint32_t(stream), 0},
                 {uint32_t(seed), uint32_t(seed >> 32)});
  return double((uint64_t(bits[0]) << 32 | bits[1]) >> 11) * 0x1p-53;
}

} // namespace vinci
