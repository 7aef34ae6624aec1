#include "runtime/plan/mapped_file.h"

#include "runtime/support/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace vinci {
namespace {

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0)
      ::close(value);
  }
};

std::span<const std::byte> asBytes(void *address, size_t size) {
  return {static_cast<const std::byte *>(address), size};
}

} // namespace

MappedFile MappedFile::open(const std::filesystem::path &path) {
  // O_NONBLOCK: opening a FIFO must be refused below, not waited for.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0)
    fail(SourcePosition{path.string()}, "cannot open for reading: {}", std::strerror(errno));
  struct stat status;
  if (::fstat(file.value, &status) != 0)
    fail(SourcePosition{path.string()}, "cannot read its size: {}", std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    fail(SourcePosition{path.string()}, "this is not a regular file");
  MappedFile mapped;
  if (status.st_size == 0)
    return mapped;
  size_t size = static_cast<size_t>(status.st_size);
  void *address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED)
    fail(SourcePosition{path.string()}, "cannot map {} bytes into memory: {}", size,
         std::strerror(errno));
  mapped.bytes_ = asBytes(address, size);
  return mapped;
}

MappedFile MappedFile::copyOf(std::span<const std::byte> bytes) {
  MappedFile mapped;
  if (bytes.empty())
    return mapped;
  void *address =
      ::mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    fail("cannot get {} bytes of memory: {}", bytes.size(), std::strerror(errno));
  std::memcpy(address, bytes.data(), bytes.size());
  ::mprotect(address, bytes.size(), PROT_READ);
  mapped.bytes_ = asBytes(address, bytes.size());
  return mapped;
}

MappedFile::MappedFile(MappedFile &&other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty())
    ::munmap(const_cast<std::byte *>(bytes_.data()), bytes_.size());
}

} // namespace vinci
