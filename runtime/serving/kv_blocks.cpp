#include "runtime/serving/kv_blocks.h"

#include "runtime/support/error.h"

namespace vinci {

KvBlocks::KvBlocks(uint32_t count) : used_(count) {
  for (uint32_t block = count; block-- > 0;)
    free_.push_back(int32_t(block));
}

bool KvBlocks::allocate(uint32_t count, std::vector<int32_t> &blocks) {
  if (count > available())
    return false;
  for (uint32_t i = 0; i < count; ++i) {
    int32_t block = free_.back();
    free_.pop_back();
    used_[size_t(block)] = true;
    blocks.push_back(block);
  }
  return true;
}

void KvBlocks::free(std::span<const int32_t> blocks) {
  for (int32_t block : blocks) {
    if (block < 0 || uint32_t(block) >= total() || !used_[size_t(block)])
      failInternal("KV block {} is given back, but not in use", block);
    used_[size_t(block)] = false;
    free_.push_back(block);
  }
}

} // namespace vinci
