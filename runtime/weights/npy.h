// Writes float32 arrays as .npy (version 1.0), row by row.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace vinci {

class NpyWriter {
public:
  /// A 1-D array without `columns`, a 2-D array [rows, columns] with. Throws Error naming `path` if
  /// it cannot be created.
  NpyWriter(const std::filesystem::path &path, std::optional<uint64_t> columns = std::nullopt);
  NpyWriter(NpyWriter &&) = default;
  ~NpyWriter();

  /// Appends values: for a 2-D array a whole number of rows.
  void append(std::span<const float> values);
  /// Completes the header with the number of rows and closes. Throws Error if anything could not be
  /// written. Without it the file is removed again.
  void finish();

private:
  struct Closer {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  void writeHeader();

  std::filesystem::path path_;
  std::optional<uint64_t> columns_;
  uint64_t values_ = 0;
  std::unique_ptr<std::FILE, Closer> file_;
};

} // namespace vinci
