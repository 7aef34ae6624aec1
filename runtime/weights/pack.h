// What one rank holds of a model's weights, as the plan's kernels read them: converted, laid out,
// in memory of their own.
//
// The first start packs from the checkpoint; with a cache folder it also leaves a pack file there,
// and the next start reads that instead. A pack file is used only if it was made for the same
// weight table, the same parts of the same checkpoint, and every weight still has its recorded
// hash.
#pragma once

#include "runtime/plan/mesh.h"
#include "runtime/plan/plan.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/checkpoint.h"
#include "runtime/weights/pack_cache.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vinci {

struct PackOptions {
  /// The ranks to make packs of, where there are several; nothing of the others is read.
  RankRange ranks = {};
  /// Where pack files are kept; created if absent. Without it nothing is written or read.
  std::optional<std::filesystem::path> cacheDir;
  /// Called now and then, from the calling thread, with bytes of packed weights done and in all.
  std::function<void(uint64_t done, uint64_t total)> progress;
  /// Called with a sentence when the cache cannot be used or written (the pack itself is sound
  /// then, too), and when packing made values zero that are not.
  std::function<void(const std::string &message)> warning;
};

class Pack {
public:
  /// Packs what `rank` holds of every weight of `plan` from wherever checkWeights finds it. Throws
  /// Error on a checkpoint that does not fit, values that overflow the plan's dtype, or too little
  /// memory.
  static Pack create(const Plan &plan, const Checkpoint &checkpoint, uint32_t rank,
                     const PackOptions &options = {});
  /// The packs of the ranks of the options, with progress over all of them.
  static std::vector<Pack> createAll(const Plan &plan, const Checkpoint &checkpoint,
                                     const PackOptions &options = {});

  /// The same with made-up weights (random_weights.h). Of the options it heeds `ranks` and
  /// `progress`.
  static std::vector<Pack> createRandom(const Plan &plan, uint64_t seed,
                                        const PackOptions &options = {});

  /// Writes the pack of `rank` of `plan` into a folder of packs and gives the file's path. Throws
  /// Error if it cannot be written.
  std::filesystem::path write(const std::filesystem::path &folder, const Plan &plan,
                              uint32_t rank) const;
  /// True if there are files of write() in `folder`.
  static bool arePacksIn(const std::filesystem::path &folder);
  /// Reads what write() left there for the ranks of the options, without a checkpoint. Throws Error
  /// if one is not there, is damaged, or was packed for another number of ranks or for other
  /// weights. Of the options it heeds `ranks` and `progress`.
  static std::vector<Pack> readAll(const Plan &plan, const std::filesystem::path &folder,
                                   const PackOptions &options = {});

  Pack(Pack &&other) noexcept;
  Pack &operator=(Pack &&other) noexcept;
  ~Pack();

  /// Weight `index` of plan.root()->weights(): 64-byte aligned. Kernels read it and do not write.
  std::byte *weight(size_t index) const { return memory_ + offsets_[index]; }
  std::span<const std::byte> bytes(size_t index) const { return {weight(index), sizes_[index]}; }
  size_t size() const { return offsets_.size(); }
  uint64_t totalBytes() const { return totalBytes_; }
  /// True if the weights came from a pack file.
  bool fromCache() const { return fromCache_; }

private:
  explicit Pack(const fb::Plan &plan);
  static Pack read(const Plan &plan, const std::filesystem::path &folder, uint32_t rank,
                   const std::function<void(uint64_t done, uint64_t total)> &progress);
  static Pack create(const Plan &plan, const Checkpoint &checkpoint, const WeightSources &sources,
                     uint32_t rank, const PackOptions &options);
  /// Packs all weights, wherever they come from.
  void pack(const Plan &plan, const WeightSources &sources, uint32_t rank,
            const PackOptions &options);

  std::byte *memory_ = nullptr; ///< anonymous, in huge pages where the system has them
  uint64_t totalBytes_ = 0;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> sizes_;
  uint64_t checkpoint_ = 0; ///< Checkpoint::identity of what was packed
  bool fromCache_ = false;
};

} // namespace vinci
