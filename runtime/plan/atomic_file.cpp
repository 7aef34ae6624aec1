#include "runtime/plan/atomic_file.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace vinci {

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored))
    fail(SourcePosition{path_.string()}, "cannot write: it is a folder");
  std::string pattern = path_.string() + ".XXXXXX";
  descriptor_ = ::mkstemp(pattern.data());
  if (descriptor_ < 0)
    fail(SourcePosition{path_.string()}, "cannot write: {}", std::strerror(errno));
  temporary_ = pattern;
  // mkstemp makes files private; what Vinci writes is for everybody to read, as compilers' output
  // is.
  ::fchmod(descriptor_, 0644);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), 1u << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      fail(SourcePosition{path_.string()}, "cannot write: {}", std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail(SourcePosition{path_.string()}, "cannot write: {}", std::strerror(errno));
  temporary_.clear();
}

void writeFileAtomically(const std::filesystem::path &path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

} // namespace vinci
