#include "runtime/weights/pack.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/quote.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/pack_cache.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/random_weights.h"
#include "runtime/weights/shards.h"
#include "runtime/weights/stack.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
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

/// A hash of everything that decides what the packed bytes are, besides the checkpoint's files: the
/// plan's weights, and where in the files each lies of which `rank` holds what, which depends on
/// the plan's KV heads, too.
uint64_t hashWeightTable(const fb::Plan &plan, const WeightSources &sources, uint32_t rank) {
  const Mesh mesh(plan);
  std::string text;
  for (const fb::Weight *weight : *plan.weights()) {
    text += fmt::format("{} {} {} {} {}\n", weight->count(), fmt::join(shapeOf(*weight), ","),
                        unsigned(weight->dtype()), unsigned(weight->packing()), weight->bytes());
    for (uint32_t i = 0; i < stackCount(*weight); ++i)
      for (const auto &[name, source, rows] : heldPieces(*weight, i, sources, mesh, rank)) {
        const TensorSlice &slice = rows.slice;
        text += fmt::format("{} {} {} of {} x {}, {} {} {} {} {}\n", quote(source->tensor->name),
                            slice.data - source->tensor->bytes.data(), slice.rows, rows.rows,
                            slice.columns, slice.run, slice.period, slice.skip, slice.rowStride,
                            slice.columnStride);
      }
  }
  return hashBytes(std::as_bytes(std::span(text.data(), text.size())));
}

/// A hash of what the plan says that `rank` holds, wherever the weights come from: equal for two
/// plans whose packs are.
uint64_t hashHeld(const fb::Plan &plan, uint32_t rank) {
  const Mesh mesh(plan);
  std::string text;
  for (const fb::Weight *weight : *plan.weights()) {
    text += fmt::format("{} {} {} {} {}\n", weight->count(), fmt::join(shapeOf(*weight), ","),
                        unsigned(weight->dtype()), unsigned(weight->packing()), weight->bytes());
    for (const fb::WeightPiece *piece : *weight->pieces()) {
      text += fmt::format("{} {}", quote(piece->source()->string_view()),
                          fmt::join(piece->shape()->begin(), piece->shape()->end(), ","));
      for (const fb::Shard *shard : *piece->shards())
        text += fmt::format(" {} {}/{}", unsigned(shard->kind()),
                            shard->kind() == fb::ShardKind::FirstOnly
                                ? mesh.placeAlong(axesOf(*shard->axes()), rank) != 0
                                : partNumber(*shard, mesh, rank),
                            shard->parts());
      text += '\n';
    }
    if (weight->equal())
      for (const flatbuffers::String *name : *weight->equal())
        text += fmt::format("= {}\n", quote(name->string_view()));
  }
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

/// Values that a cast lost, over all tensors.
struct Losses {
  uint64_t values = 0, tensors = 0, most = 0;
  std::string worst; ///< the tensor with the most, for messages
  std::string file;  ///< which it is in

  void add(uint64_t lost, const WeightSource &source, const std::string &required) {
    if (lost == 0)
      return;
    values += lost;
    ++tensors;
    if (lost > most) {
      most = lost;
      worst = describeSource(source.tensor->name, required);
      file = source.tensor->file;
    }
  }
};

/// What happened to the values that were cast to one dtype.
struct Cast {
  std::set<std::string> tensors; ///< a tied embedding is packed twice, and counts once
  uint64_t values = 0;
  Losses overflows, underflows;

  /// "cast to float16: 3 of 6000 values (in 2 tensors; most in tensor "a")".
  std::string describe(DType dtype, const Losses &losses) const {
    return fmt::format("cast to {}: {} of {} values (in {} tensor{}; most in tensor {})",
                       toString(dtype), losses.values, values, losses.tensors,
                       losses.tensors == 1 ? "" : "s", losses.worst);
  }
};

using Casts = std::map<DType, Cast>;

void packWeight(const fb::Weight &weight, const WeightSources &sources, const Mesh &mesh,
                uint32_t rank, std::byte *to, Casts &casts) {
  const DType dtype = toDType(weight.dtype());
  const uint64_t bytes = *packedBytes(shapeOf(weight), dtype, weight.packing());
  const uint64_t columns = shapeOf(weight).size() == 2 ? shapeOf(weight)[1] : 1;
  std::vector<std::vector<HeldPiece>> pieces(stackCount(weight));
  std::vector<std::vector<CastLoss>> losses(stackCount(weight));
  tbb::parallel_for(uint32_t(0), stackCount(weight), [&](uint32_t i) {
    pieces[i] = heldPieces(weight, i, sources, mesh, rank);
    std::vector<PackedRows> rows;
    for (const HeldPiece &piece : pieces[i])
      rows.push_back(piece.rows);
    losses[i] = packTensor(rows, columns, to + i * bytes, dtype, weight.packing());
  });
  for (size_t i = 0; i < pieces.size(); ++i)
    for (size_t k = 0; k < pieces[i].size(); ++k) {
      const auto &[name, source, rows] = pieces[i][k];
      if (rows.slice.dtype == dtype)
        continue;
      Cast &cast = casts[dtype];
      if (!cast.tensors.insert(name).second)
        continue;
      cast.values += rows.slice.rows * rows.slice.columns;
      cast.overflows.add(losses[i][k].overflows, *source, name);
      cast.underflows.add(losses[i][k].underflows, *source, name);
    }
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
      checkpoint_(other.checkpoint_), fromCache_(other.fromCache_) {}

Pack &Pack::operator=(Pack &&other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(totalBytes_, other.totalBytes_);
  std::swap(offsets_, other.offsets_);
  std::swap(sizes_, other.sizes_);
  std::swap(checkpoint_, other.checkpoint_);
  std::swap(fromCache_, other.fromCache_);
  return *this;
}

std::filesystem::path Pack::write(const std::filesystem::path &folder, const Plan &plan,
                                  uint32_t rank) const {
  PackHeader header;
  header.held = hashHeld(*plan.root(), rank);
  header.checkpoint = checkpoint_;
  header.weights = size();
  header.imageBytes = totalBytes_;
  header.rank = rank;
  header.ranks = Mesh(*plan.root()).ranks();
  const std::filesystem::path path = folder / packFileName(rank);
  writePackFile(path, header, memory_);
  return path;
}

bool Pack::arePacksIn(const std::filesystem::path &folder) {
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator(folder, error))
    if (const std::string name = entry.path().filename().string();
        name.starts_with("rank-") && name.ends_with(".pack"))
      return true;
  return false;
}

Pack Pack::read(const Plan &plan, const std::filesystem::path &folder, uint32_t rank,
                const std::function<void(uint64_t done, uint64_t total)> &progress) {
  const std::filesystem::path path = folder / packFileName(rank);
  const SourcePosition position{path.string()};
  const uint32_t ranks = Mesh(*plan.root()).ranks();
  PackHeader header = readPackHeader(path);
  Pack pack(*plan.root());
  if (header.ranks != ranks)
    fail(position,
         "these weights were packed for {} rank{}, but {} has {}: pack them again for this plan",
         header.ranks, header.ranks == 1 ? "" : "s", plan.name(), ranks);
  if (header.rank != rank)
    fail(position, "this is the pack of rank {}", header.rank);
  if (header.held != hashHeld(*plan.root(), rank) || header.weights != pack.size() ||
      header.imageBytes != pack.totalBytes_)
    fail(position, "these weights were packed for another plan than {}: pack them again for it",
         plan.name());
  const PackRead result = readPackFile(path, header, pack.memory_, [&](uint64_t done) {
    if (progress)
      progress(done, pack.totalBytes_);
  });
  if (result != PackRead::Good)
    fail(position, "the packed weights are damaged: pack them again");
  pack.checkpoint_ = header.checkpoint;
  pack.fromCache_ = true;
  return pack;
}

Pack::~Pack() {
  if (memory_)
    ::munmap(memory_, roundUp(totalBytes_, hugePage));
}

Pack Pack::create(const Plan &plan, const Checkpoint &checkpoint, uint32_t rank,
                  const PackOptions &options) {
  return create(plan, checkpoint, checkWeights(plan, checkpoint), rank, options);
}

/// Calls `make(rank, options)` for the ranks that are held, with progress over all of them.
template <typename Make>
static std::vector<Pack> ofAllRanks(const Plan &plan, const PackOptions &options,
                                    const Make &make) {
  const uint32_t all = Mesh(*plan.root()).ranks();
  const RankRange held = options.ranks.of(all);
  std::vector<Pack> packs;
  for (uint32_t i = 0; i < held.count; ++i) {
    const uint32_t rank = held.first + i;
    PackOptions ofRank = options;
    if (options.progress)
      ofRank.progress = [&](uint64_t done, uint64_t total) {
        options.progress(i * total + done, held.count * total);
      };
    if (options.warning && all > 1)
      ofRank.warning = [&](const std::string &message) {
        options.warning(fmt::format("rank {}: {}", rank, message));
      };
    packs.push_back(make(rank, ofRank));
  }
  return packs;
}

std::vector<Pack> Pack::readAll(const Plan &plan, const std::filesystem::path &folder,
                                const PackOptions &options) {
  return ofAllRanks(plan, options, [&](uint32_t rank, const PackOptions &ofRank) {
    return read(plan, folder, rank, ofRank.progress);
  });
}

std::vector<Pack> Pack::createAll(const Plan &plan, const Checkpoint &checkpoint,
                                  const PackOptions &options) {
  const WeightSources sources = checkWeights(plan, checkpoint);
  return ofAllRanks(plan, options, [&](uint32_t rank, const PackOptions &ofRank) {
    return create(plan, checkpoint, sources, rank, ofRank);
  });
}

std::vector<Pack> Pack::createRandom(const Plan &plan, uint64_t seed, const PackOptions &options) {
  const RandomWeights weights(*plan.root(), seed);
  return ofAllRanks(plan, options, [&](uint32_t rank, const PackOptions &ofRank) {
    Pack pack(*plan.root());
    pack.pack(plan, weights.sources(), rank, ofRank);
    return pack;
  });
}

void Pack::pack(const Plan &plan, const WeightSources &sources, uint32_t rank,
                const PackOptions &options) {
  const Mesh mesh(*plan.root());
  Casts casts;
  for (size_t i = 0; i < size(); ++i) {
    packWeight(*plan.root()->weights()->Get(uint32_t(i)), sources, mesh, rank, weight(i), casts);
    if (options.progress)
      options.progress(offsets_[i] + roundUp(sizes_[i], bufferAlignment), totalBytes_);
  }
  for (const auto &[dtype, cast] : casts) {
    if (cast.overflows.values != 0)
      fail(SourcePosition{cast.overflows.file},
           "{} overflow; compile the model for a dtype of a larger range",
           cast.describe(dtype, cast.overflows));
    if (cast.underflows.values != 0 && options.warning)
      options.warning(cast.describe(dtype, cast.underflows) + " become zero");
  }
}

Pack Pack::create(const Plan &plan, const Checkpoint &checkpoint, const WeightSources &sources,
                  uint32_t rank, const PackOptions &options) {
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
  header.weightTable = hashWeightTable(*plan.root(), sources, rank);
  header.held = hashHeld(*plan.root(), rank);
  header.checkpoint = pack.checkpoint_ = checkpoint.identity();
  header.weights = pack.size();
  header.imageBytes = pack.totalBytes_;
  std::filesystem::path path;
  if (options.cacheDir) {
    path = *options.cacheDir / packFileName(header);
    PackRead result = readPackFile(path, header, pack.memory_, progress);
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

  pack.pack(plan, sources, rank, options);
  if (options.cacheDir) {
    try {
      std::error_code ignored;
      std::filesystem::create_directories(*options.cacheDir, ignored);
      writePackFile(path, header, pack.memory_);
    } catch (const Error &error) {
      warn(fmt::format("the packed weights are not cached: {}", error.what()));
    }
  }
  return pack;
}

} // namespace vinci
