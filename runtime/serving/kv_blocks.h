// Which blocks of the paged KV cache are in use, by how many, and what finished blocks still hold.
// A block has the same number in every layer.
//
// A block is free (nobody refers to it), in use (one reference or more), or kept: nobody refers to
// it, but its contents are known by a hash, and it stays until its space is needed. Prefix caching
// shares blocks in use and revives kept ones. Who never calls remember() has no kept blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace vinci {

class KvBlocks {
public:
  explicit KvBlocks(uint32_t count);

  uint32_t total() const { return uint32_t(references_.size()); }
  /// Blocks that allocate() can give: free ones and kept ones.
  uint32_t available() const { return uint32_t(free_.size()) + keptCount_; }

  uint32_t inUse() const { return total() - available(); }

  /// Appends `count` blocks to `blocks`, each with one reference; kept ones lose their contents,
  /// the longest unused first, once no free one is left. False, and nothing taken, if there are not
  /// so many. The same calls always give the same blocks.
  bool allocate(uint32_t count, std::vector<int32_t> &blocks);
  /// Drops a reference of each block. Throws (internal) Error for a block that is not in use.
  void free(std::span<const int32_t> blocks);

  uint32_t references(int32_t block) const { return references_[size_t(block)]; }

  /// Says what a block in use holds. A second block with contents that are known already stays
  /// unknown.
  void remember(int32_t block, uint64_t contents);
  /// The block with these contents, in use or kept.
  std::optional<int32_t> find(uint64_t contents) const;
  /// True if nobody refers to the block, so that sharing it takes one of the available ones.
  bool isKept(int32_t block) const { return references_[size_t(block)] == 0; }
  /// Adds a reference to a block in use, or revives a kept one. Throws (internal) Error for a free
  /// one.
  void share(int32_t block);

  /// Moves a sequence's blocks to another pool (device and host memory): appends as many blocks of
  /// `other` to `moved` and drops a reference of each of `blocks`. False, and nothing moved, if
  /// `other` has too few.
  bool swapTo(KvBlocks &other, std::span<const int32_t> blocks, std::vector<int32_t> &moved);

  struct Counters {
    uint64_t movedOut = 0, movedIn = 0; ///< blocks, by swapTo
    uint64_t evicted = 0;               ///< kept blocks whose contents were given up
    uint32_t mostInUse = 0;
  };
  const Counters &counters() const { return counters_; }

private:
  static constexpr int32_t none = -1;
  struct Contents {
    uint64_t hash = 0;
    bool known = false;
    int32_t older = none, newer = none; ///< neighbours among the kept
  };

  void keep(int32_t block);
  void unlink(int32_t block);
  void forgetOldest();

  std::vector<int32_t> free_; ///< a stack; the lowest numbers come first
  std::vector<uint32_t> references_;
  std::vector<Contents> contents_; ///< empty until remember() is called
  std::unordered_map<uint64_t, int32_t> byHash_;
  int32_t oldest_ = none, newest_ = none;
  uint32_t keptCount_ = 0;
  Counters counters_;
};

/// Names the contents of a sequence's first blocks: the hash of a block depends on all ids up to
/// its end. `parent` is the block's before, 0 for the first.
uint64_t hashBlock(uint64_t parent, std::span<const int32_t> ids);
/// hashBlock for every full block of `ids`.
std::vector<uint64_t> hashBlocks(std::span<const int32_t> ids, uint32_t blockSize);

} // namespace vinci
