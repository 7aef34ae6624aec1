#include "backend/codegen/kernel_cache.h"

#include "runtime/plan/atomic_file.h"
#include "runtime/plan/mapped_file.h"
#include "runtime/plan/plan_file.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <cstring>

namespace vinci {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytesOf(const std::string &text) {
  return std::as_bytes(std::span(text));
}

/// The bytes behind the header of a whole entry, whatever its key; nullopt if it is damaged.
std::optional<std::span<const std::byte>> checkEntry(std::span<const std::byte> file,
                                                     KernelEntryHeader &header) {
  if (file.size() < sizeof header)
    return std::nullopt;
  std::memcpy(&header, file.data(), sizeof header);
  const std::span<const std::byte> rest = file.subspan(sizeof header);
  KernelEntryHeader expected;
  expected.keyBytes = header.keyBytes;
  expected.objectBytes = header.objectBytes;
  expected.hash = hashBytes(rest);
  if (header != expected || header.keyBytes > rest.size() ||
      header.objectBytes != rest.size() - header.keyBytes)
    return std::nullopt;
  return rest;
}

} // namespace

fs::path KernelCache::pathOf(const std::string &key) const {
  return directory_ / fmt::format("{:016x}.kernel", hashBytes(bytesOf(key)));
}

std::optional<std::vector<std::byte>> KernelCache::find(const std::string &key) {
  const fs::path path = pathOf(key);
  std::error_code error;
  if (!fs::exists(path, error))
    return std::nullopt;
  try {
    const MappedFile file = MappedFile::open(path);
    KernelEntryHeader header;
    const auto rest = checkEntry(file.bytes(), header);
    if (!rest) {
      warnings_.push_back(fmt::format(
          "warning: compiling a kernel again, the cached one is damaged: {}", path.string()));
      return std::nullopt;
    }
    // Another key of the same hash is as good as no entry.
    if (!std::ranges::equal(rest->first(header.keyBytes), bytesOf(key)))
      return std::nullopt;
    const auto object = rest->subspan(header.keyBytes);
    return std::vector<std::byte>(object.begin(), object.end());
  } catch (const Error &unreadable) {
    warnings_.push_back(fmt::format("warning: compiling a kernel again, the cached one cannot be "
                                    "read: {}",
                                    unreadable.what()));
    return std::nullopt;
  }
}

void KernelCache::store(const std::string &key, std::span<const std::byte> object) {
  if (!writable_)
    return;
  KernelEntryHeader header;
  header.keyBytes = key.size();
  header.objectBytes = object.size();
  std::vector<std::byte> rest(key.size() + object.size());
  std::ranges::copy(bytesOf(key), rest.begin());
  std::ranges::copy(object, rest.begin() + std::ptrdiff_t(key.size()));
  header.hash = hashBytes(rest);
  try {
    std::error_code error;
    fs::create_directories(directory_, error);
    if (error)
      fail(SourcePosition{directory_.string()}, "cannot create the folder: {}", error.message());
    AtomicFile file(pathOf(key));
    file.write(std::as_bytes(std::span(&header, 1)));
    file.write(rest);
    file.commit();
  } catch (const Error &failed) {
    writable_ = false;
    warnings_.push_back(
        fmt::format("warning: the compiled kernels are not cached: {}", failed.what()));
  }
}

} // namespace vinci
