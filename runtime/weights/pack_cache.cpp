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
#include <memory>
#include <tbb/parallel_for.h>

namespace vinci {
namespace {

constexpr uint64_t imageAlignment = 4096;
constexpr uint64_t readChunk = 64 << 20;

uint64_t imageOffset(size_t weights) {
  return roundUp(sizeof(PackHeader) + weights * sizeof(uint64_t), imageAlignment);
}

std::vector<uint64_t> hashWeights(std::span<const PackedWeight> weights, const std::byte *image) {
  std::vector<uint64_t> hashes(weights.size());
  tbb::parallel_for(size_t(0), weights.size(), [&](size_t i) {
    hashes[i] = hashBytes({image + weights[i].offset, weights[i].bytes});
  });
  return hashes;
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

PackRead readPackFile(const std::filesystem::path &path, PackHeader header,
                      std::span<const PackedWeight> weights, std::byte *image,
                      const std::function<void(uint64_t)> &progress) {
  std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rbe"));
  if (!file)
    return PackRead::Absent;
  // The image goes to its place in large reads; stdio's own buffer would only add a copy.
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  auto read = [&](void *to, uint64_t bytes) {
    return std::fread(to, 1, bytes, file.get()) == bytes;
  };
  PackHeader found;
  std::vector<uint64_t> hashes(weights.size());
  if (!read(&found, sizeof found) || !read(hashes.data(), hashes.size() * sizeof(uint64_t)))
    return PackRead::Damaged;
  header.hashesHash = hashBytes(std::as_bytes(std::span(hashes)));
  if (found != header || std::fseek(file.get(), long(imageOffset(weights.size())), SEEK_SET) != 0)
    return PackRead::Damaged;
  for (uint64_t done = 0; done < header.imageBytes;) {
    uint64_t chunk = std::min(readChunk, header.imageBytes - done);
    if (!read(image + done, chunk))
      return PackRead::Damaged;
    done += chunk;
    progress(done);
  }
  return hashWeights(weights, image) == hashes ? PackRead::Good : PackRead::Damaged;
}

void writePackFile(const std::filesystem::path &path, PackHeader header,
                   std::span<const PackedWeight> weights, const std::byte *image) {
  std::vector<uint64_t> hashes = hashWeights(weights, image);
  header.hashesHash = hashBytes(std::as_bytes(std::span(hashes)));
  std::vector<std::byte> padding(imageOffset(weights.size()) - sizeof header -
                                 hashes.size() * sizeof(uint64_t));
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(std::as_bytes(std::span(hashes)));
  file.write(padding);
  file.write({image, header.imageBytes});
  file.commit();
}

} // namespace vinci
