// Which blocks of the paged KV cache are in use. A block has the same number in every layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

class KvBlocks {
public:
  explicit KvBlocks(uint32_t count);

  uint32_t total() const { return uint32_t(used_.size()); }
  uint32_t available() const { return uint32_t(free_.size()); }

  /// Appends `count` blocks to `blocks`. False, and nothing taken, if there are not so many. The
  /// same calls always give the same blocks.
  bool allocate(uint32_t count, std::vector<int32_t> &blocks);
  /// Gives blocks back. Throws (internal) Error for a block that is not in use.
  void free(std::span<const int32_t> blocks);

private:
  std::vector<int32_t> free_; ///< a stack; the lowest numbers come first
  std::vector<bool> used_;
};

} // namespace vinci
