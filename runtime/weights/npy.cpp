#include "runtime/weights/npy.h"

#include "runtime/support/error.h"

#include <cerrno>
#include <cstring>

namespace vinci {

// Magic, version 1.0, header length, and a header padded so that the data begin here, whatever the
// number of rows.
static constexpr size_t dataOffset = 128;

NpyWriter::NpyWriter(const std::filesystem::path &path, std::optional<uint64_t> columns)
    : path_(path), columns_(columns), file_(std::fopen(path.c_str(), "wb")) {
  if (columns == 0)
    failInternal("an array of rows without columns");
  if (!file_)
    fail(SourcePosition{path_.string()}, "cannot write: {}", std::strerror(errno));
  writeHeader();
}

/// Only what this writer made: a device or a pipe that it was pointed at is not its own.
static void removeUnfinished(const std::filesystem::path &path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored))
    std::filesystem::remove(path, ignored);
}

NpyWriter::~NpyWriter() {
  if (file_)
    removeUnfinished(path_);
}

void NpyWriter::writeHeader() {
  std::string shape = columns_ ? fmt::format("({}, {})", values_ / *columns_, *columns_)
                               : fmt::format("({},)", values_);
  std::string header("\x93NUMPY\x01\x00", 8);
  uint16_t length = dataOffset - 10;
  header += char(length & 0xff);
  header += char(length >> 8);
  header += fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}", shape);
  header.resize(dataOffset - 1, ' ');
  header += '\n';
  std::fwrite(header.data(), 1, header.size(), file_.get());
}

void NpyWriter::append(std::span<const float> values) {
  if (columns_ && values.size() % *columns_ != 0)
    failInternal("{} values are no whole number of rows of {}", values.size(), *columns_);
  values_ += values.size();
  if (std::fwrite(values.data(), sizeof(float), values.size(), file_.get()) != values.size())
    fail(SourcePosition{path_.string()}, "cannot write: {}", std::strerror(errno));
}

void NpyWriter::finish() {
  bool sought = std::fseek(file_.get(), 0, SEEK_SET) == 0;
  writeHeader();
  bool failed = !sought || std::ferror(file_.get()) != 0;
  failed |= std::fclose(file_.release()) != 0;
  if (failed) {
    std::string reason = std::strerror(errno);
    removeUnfinished(path_);
    fail(SourcePosition{path_.string()}, "cannot write: {}", reason);
  }
}

} // namespace vinci
