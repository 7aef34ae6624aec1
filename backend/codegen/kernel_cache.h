// Compiled kernels kept on disk between compilations: `<folder>/<hash of the key>.kernel`.
//
//   0    KernelEntryHeader, 40 bytes
//   40   the key, then the object
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vinci {

struct KernelEntryHeader {
  std::array<char, 8> magic = {'V', 'I', 'N', 'C', 'I', 'K', 'N', 'L'};
  uint64_t version = 1; ///< raised whenever this layout changes
  uint64_t keyBytes = 0;
  uint64_t objectBytes = 0;
  uint64_t hash = 0; ///< XXH3-64 of everything behind the header

  bool operator==(const KernelEntryHeader &) const = default;
};
static_assert(sizeof(KernelEntryHeader) == 40);

/// A cache is never an error: what cannot be read is compiled, what cannot be written is not kept,
/// and both are said in warnings(). Several processes may use one folder at once.
class KernelCache {
public:
  /// The folder is made when the first kernel is stored.
  explicit KernelCache(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// The object that was stored under `key`; nullopt if there is none or its entry is damaged.
  std::optional<std::vector<std::byte>> find(const std::string &key);
  /// Keeps `object` under `key`, in place of what was there.
  void store(const std::string &key, std::span<const std::byte> object);

  /// `warning: …`, in the order in which they came.
  const std::vector<std::string> &warnings() const { return warnings_; }

private:
  std::filesystem::path pathOf(const std::string &key) const;

  std::filesystem::path directory_;
  bool writable_ = true; ///< until the first failure
  std::vector<std::string> warnings_;
};

} // namespace vinci
