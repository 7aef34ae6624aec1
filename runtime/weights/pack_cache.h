// Pack files: packed weights kept on disk between runs.
//
//   0     PackHeader, 80 bytes
//   80    XXH3-64 of each 4 MiB of the image, the last piece being what is left
//   ...   zeros up to a multiple of 4096, then the memory image of the pack
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace vinci {

struct PackHeader {
  std::array<char, 8> magic = {'V', 'I', 'N', 'C', 'I', 'P', 'C', 'K'};
  uint64_t version = 3;     ///< raised whenever a packing or this layout changes
  uint64_t weightTable = 0; ///< hash of the plan's weights and of where each lies
  uint64_t held = 0;        ///< hash of what the plan says that the rank holds
  uint64_t checkpoint = 0;  ///< Checkpoint::identity
  uint64_t weights = 0;
  uint64_t imageBytes = 0;
  uint64_t hashesHash = 0; ///< of the hashes that follow
  uint32_t rank = 0;
  uint32_t ranks = 0; ///< of the plan; 0 in a cache, where ranks that hold the same share a file
  uint64_t reserved = 0;

  bool operator==(const PackHeader &) const = default;
};
static_assert(sizeof(PackHeader) == 80);

/// The name of the file for this header's plan and checkpoint.
std::string packFileName(const PackHeader &header);

/// The name of the file for one rank in a folder of packs: "rank-00003.pack".
std::string packFileName(uint32_t rank);

/// The header of the file at `path`, whatever it is the pack of. Throws Error if it cannot be read
/// or is no pack of this version.
PackHeader readPackHeader(const std::filesystem::path &path);

enum class PackRead { Absent, Good, Damaged };

/// Reads the file at `path` into `image` (header.imageBytes of it) if it is the file that `header`
/// (without hashesHash) describes and every piece has its hash. Otherwise says so; `image` is
/// undefined then. All threads read, and each hashes what it has just read while that is in its
/// cache: that every byte is looked at on every start costs little. `progress` gets bytes read.
PackRead readPackFile(const std::filesystem::path &path, PackHeader header, std::byte *image,
                      const std::function<void(uint64_t)> &progress);

/// Writes it; readers see it whole or not at all. Throws Error if it cannot be written.
void writePackFile(const std::filesystem::path &path, PackHeader header, const std::byte *image);

} // namespace vinci
