// A file mapped read-only into memory for as long as the object lives.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace vinci {

/// Moves, does not copy. The bytes stay where they are when the object moves. The mapping is
/// private: later writes to the file by others may or may not show, and a file that shrinks while
/// mapped ends the process when touched.
class MappedFile {
public:
  /// Throws Error naming `path` if it is not a readable regular file. An empty file gives an empty
  /// span.
  static MappedFile open(const std::filesystem::path &path);

  /// Memory of its own, page-aligned as a mapping is, with a copy of `bytes`.
  static MappedFile copyOf(std::span<const std::byte> bytes);

  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

private:
  std::span<const std::byte> bytes_;
};

} // namespace vinci
