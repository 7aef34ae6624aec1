// A file that appears under its name complete or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace vinci {

/// Writes to a temporary file beside `path`; commit() renames it to `path`, replacing what was
/// there. Without commit the temporary file is removed. Several processes may write the same path
/// at once: the last rename wins, and a reader sees one whole file or the other.
class AtomicFile {
public:
  /// Throws Error naming `path` if nothing can be created in its folder, or if `path` is a folder.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  ~AtomicFile();

  /// Appends. Throws Error naming `path`, for example when the disk is full.
  void write(std::span<const std::byte> bytes);
  void commit();

private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// All at once: `path` holds `bytes` or, with an Error naming it, what it held before.
void writeFileAtomically(const std::filesystem::path &path, std::span<const std::byte> bytes);

} // namespace vinci
