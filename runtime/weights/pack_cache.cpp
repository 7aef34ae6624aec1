#include "runtime/weights/pack_cache.h"

#include "runtime/plan/atomic_file.h"
#include "runtime/plan/layout.h"
#include "runtime/plan/plan_file.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <span>
#include <tbb/parallel_for.h>
#include <unistd.h>
#include <vector>

namespace vinci {
namespace {

constexpr uint64_t imageAlignment = 4096;
/// What has a hash of its own: small enough for a core's cache, large enough to read at full speed.
constexpr uint64_t pieceBytes = 4 << 20;
/// How much is read between two reports of progress.
constexpr uint64_t reportedBytes = 256 << 20;

uint64_t pieceCount(uint64_t imageBytes) {
  return (imageBytes + pieceBytes - 1) / pieceBytes;
}

uint64_t imageOffset(uint64_t imageBytes) {
  return roundUp(sizeof(PackHeader) + pieceCount(imageBytes) * sizeof(uint64_t), imageAlignment);
}

std::vector<uint64_t> hashPieces(const std::byte *image, uint64_t imageBytes) {
  std::vector<uint64_t> hashes(pieceCount(imageBytes));
  tbb::parallel_for(size_t(0), hashes.size(), [&](size_t i) {
    const uint64_t begin = i * pieceBytes;
    hashes[i] = hashBytes({image + begin, std::min(pieceBytes, imageBytes - begin)});
  });
  return hashes;
}

/// Reads all of it from `offset` on; false if it is not there.
bool readAt(int file, std::byte *to, uint64_t bytes, uint64_t offset) {
  while (bytes > 0) {
    const ssize_t got = ::pread(file, to, bytes, off_t(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    to += got;
    bytes -= uint64_t(got);
    offset += uint64_t(got);
  }
  return true;
}

struct Closer {
  void operator()(std::FILE *file) const { std::fclose(file); }
};

} // namespace

std::string packFileName(const PackHeader &header) {
  return fmt::format("{:016x}-{:016x}.pack", header.weightTable, header.checkpoint);
}

std::string packFileName(uint32_t rank) {
  return fmt::format("rank-{:05}.pack", rank);
}

PackHeader readPackHeader(const std::filesystem::path &path) {
  const SourcePosition position{path.string()};
  std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rbe"));
  if (!file)
    fail(position, "cannot be opened: {}", std::strerror(errno));
  PackHeader header;
  const PackHeader expected;
  if (std::fread(&header, 1, sizeof header, file.get()) != sizeof header ||
      header.magic != expected.magic)
    fail(position, "this is not a file of packed weights: it does not begin with \"{}\"",
         std::string_view(expected.magic.data(), expected.magic.size()));
  if (header.version != expected.version)
    fail(position, "the packed weights have version {}, this vinci reads {}: pack them again",
         header.version, expected.version);
  return header;
}

PackRead readPackFile(const std::filesystem::path &path, PackHeader header, std::byte *image,
                      const std::function<void(uint64_t)> &progress) {
  std::unique_ptr<std::FILE, Closer> opened(std::fopen(path.c_str(), "rbe"));
  if (!opened)
    return PackRead::Absent;
  const int file = ::fileno(opened.get());
  PackHeader found;
  if (!readAt(file, reinterpret_cast<std::byte *>(&found), sizeof found, 0) ||
      found.imageBytes != header.imageBytes)
    return PackRead::Damaged;
  std::vector<uint64_t> hashes(pieceCount(header.imageBytes));
  const std::span hashBytesRead = std::as_writable_bytes(std::span(hashes));
  if (!readAt(file, hashBytesRead.data(), hashBytesRead.size(), sizeof found))
    return PackRead::Damaged;
  header.hashesHash = hashBytes(hashBytesRead);
  if (found != header)
    return PackRead::Damaged;

  const uint64_t start = imageOffset(header.imageBytes);
  ::posix_fadvise(file, off_t(start), off_t(header.imageBytes), POSIX_FADV_WILLNEED);
  std::atomic<bool> good{true};
  constexpr uint64_t together = reportedBytes / pieceBytes;
  for (uint64_t first = 0; first < hashes.size() && good; first += together) {
    const uint64_t end = std::min<uint64_t>(first + together, hashes.size());
    tbb::parallel_for(first, end, [&](uint64_t piece) {
      const uint64_t begin = piece * pieceBytes;
      const uint64_t bytes = std::min(pieceBytes, header.imageBytes - begin);
      if (!readAt(file, image + begin, bytes, start + begin) ||
          hashBytes({image + begin, bytes}) != hashes[piece])
        good = false;
    });
    progress(std::min(end * pieceBytes, header.imageBytes));
  }
  return good ? PackRead::Good : PackRead::Damaged;
}

void writePackFile(const std::filesystem::path &path, PackHeader header, const std::byte *image) {
  const std::vector<uint64_t> hashes = hashPieces(image, header.imageBytes);
  header.hashesHash = hashBytes(std::as_bytes(std::span(hashes)));
  const std::vector<std::byte> padding(imageOffset(header.imageBytes) - sizeof header -
                                       hashes.size() * sizeof(uint64_t));
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(std::as_bytes(std::span(hashes)));
  file.write(padding);
  file.write({image, header.imageBytes});
  file.commit();
}

} // namespace vinci
