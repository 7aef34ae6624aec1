#include "runtime/weights/pack.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/quote.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/pack_cache.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/stack.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <tbb/parallel_for.h>
#include <unistd.h>
#include <utility>

namespace vinci {
namespace {

constexpr uint64_t hugePage = 2 << 20;

std::span<const uint64_t> shapeOf(const fb::Weight &weight) {
  return {weight.shape()->data(), weight.shape()->size()};
}

/// A hash of everything that decides what the packed bytes are, besides the checkpoint.
uint64_t hashWeightTable(const fb::Plan &plan) {
  std::string text;
  for (const fb::Weight *weight : *plan.weights())
    text += fmt::format("{} {} {} {} {} {}\n", quote(weight->source()->string_view()),
                        weight->count(), fmt::join(shapeOf(*weight), ","),
                        unsigned(weight->dtype()), unsigned(weight->packing()), weight->bytes());
  return hashBytes(std::as_bytes(std::span(text.data(), text.size())));
}

/// Anonymous memory that begins at a huge page.
std::byte *allocate(uint64_t bytes) {
  uint64_t physical = uint64_t(::sysconf(_SC_PHYS_PAGES)) * uint64_t(::sysconf(_SC_PAGESIZE));
  if (bytes > physical)
    fail("the packed weights take {} bytes, this machine has {} bytes of memory", bytes, physical);
  uint64_t size = roundUp(bytes, hugePage) + hugePage;
  void *address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    fail("cannot get {} bytes of memory for the packed weights: {}", bytes, std::strerror(errno));
  // Give back what lies before the first and after the last huge page of ours.
  auto begin = reinterpret_cast<uintptr_t>(address);
  uintptr_t aligned = roundUp(begin, hugePage);
  uintptr_t end = aligned + roundUp(bytes, hugePage);
  if (aligned != begin)
    ::munmap(address, aligned - begin);
  if (end != begin + size)
    ::munmap(reinterpret_cast<void *>(end), begin + size - end);
  // Without huge pages it is slower, not wrong.
  ::madvise(reinterpret_cast<void *>(aligned), roundUp(bytes, hugePage), MADV_HUGEPAGE);
  return reinterpret_cast<std::byte *>(aligned);
}

/// The float32 that int64 elements carry in their lower halves.
std::vector<std::byte> lowerHalves(std::span<const std::byte> elements) {
  std::vector<std::byte> halves(elements.size() / 2);
  for (size_t i = 0; i < halves.size(); i += 4)
    std::memcpy(halves.data() + i, elements.data() + 2 * i, 4);
  return halves;
}

void packWeight(const fb::Weight &weight, const Checkpoint &checkpoint, std::byte *to) {
  DType dtype = toDType(weight.dtype());
  uint64_t slice = *packedBytes(shapeOf(weight), dtype, weight.packing());
  tbb::parallel_for(uint32_t(0), stackCount(weight), [&](uint32_t i) {
    const TensorView *tensor = checkpoint.find(stackSource(weight.source()->string_view(), i));
    std::span<const std::byte> elements = tensor->bytes;
    std::vector<std::byte> floats;
    if (tensor->dtypeName == "I64") // a deq_scale
      elements = floats = lowerHalves(elements);
    uint64_t overflows = packTensor(elements.data(), tensor->dtype.value_or(DType::Float32),
                                    shapeOf(weight), to + i * slice, dtype, weight.packing());
    if (overflows != 0)
      fail(SourcePosition{tensor->file}, "tensor {}: {} of its {} values overflow {}",
           quote(tensor->name), overflows, *elementCount(shapeOf(weight)), toString(dtype));
  });
}

} // namespace

Pack::Pack(const fb::Plan &plan) {
  uint64_t end = 0;
  for (const fb::Weight *weight : *plan.weights()) {
    offsets_.push_back(end);
    sizes_.push_back(weight->bytes());
    end += roundUp(weight->bytes(), bufferAlignment);
  }
  memory_ = end == 0 ? nullptr : allocate(end);
  totalBytes_ = end;
}

Pack::Pack(Pack &&other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), totalBytes_(other.totalBytes_),
      offsets_(std::move(other.offsets_)), sizes_(std::move(other.sizes_)),
      fromCache_(other.fromCache_) {}

Pack &Pack::operator=(Pack &&other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(totalBytes_, other.totalBytes_);
  std::swap(offsets_, other.offsets_);
  std::swap(sizes_, other.sizes_);
  std::swap(fromCache_, other.fromCache_);
  return *this;
}

Pack::~Pack() {
  if (memory_)
    ::munmap(memory_, roundUp(totalBytes_, hugePage));
}

Pack Pack::create(const Plan &plan, const Checkpoint &checkpoint, const PackOptions &options) {
  checkWeights(plan, checkpoint);
  Pack pack(*plan.root());
  auto progress = [&](uint64_t done) {
    if (options.progress)
      options.progress(done, pack.totalBytes_);
  };
  auto warn = [&](const std::string &message) {
    if (options.warning)
      options.warning(message);
  };

  PackHeader header;
  header.weightTable = hashWeightTable(*plan.root());
  header.checkpoint = checkpoint.identity();
  header.weights = pack.size();
  header.imageBytes = pack.totalBytes_;
  std::vector<PackedWeight> weights;
  for (size_t i = 0; i < pack.size(); ++i)
    weights.push_back({pack.offsets_[i], pack.sizes_[i]});
  std::filesystem::path path;
  if (options.cacheDir) {
    path = *options.cacheDir / packFileName(header);
    PackRead result = readPackFile(path, header, weights, pack.memory_, progress);
    pack.fromCache_ = result == PackRead::Good;
    if (pack.fromCache_)
      return pack;
    if (result == PackRead::Damaged) {
      warn(fmt::format("{}: the pack file is damaged, packing the weights again", path.string()));
      // Weights are padded with the zeros that fresh memory brings.
      if (pack.memory_)
        std::memset(pack.memory_, 0, pack.totalBytes_);
    }
  }

  for (size_t i = 0; i < pack.size(); ++i) {
    packWeight(*plan.root()->weights()->Get(uint32_t(i)), checkpoint, pack.weight(i));
    progress(pack.offsets_[i] + roundUp(pack.sizes_[i], bufferAlignment));
  }
  if (options.cacheDir) {
    try {
      std::error_code ignored;
      std::filesystem::create_directories(*options.cacheDir, ignored);
      writePackFile(path, header, weights, pack.memory_);
    } catch (const Error &error) {
      warn(fmt::format("the packed weights are not cached: {}", error.what()));
    }
  }
  return pack;
}

} // namespace vinci
