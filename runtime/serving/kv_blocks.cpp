#include "runtime/serving/kv_blocks.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

KvBlocks::KvBlocks(uint32_t count) : references_(count) {
  for (uint32_t block = count; block-- > 0;)
    free_.push_back(int32_t(block));
}

bool KvBlocks::allocate(uint32_t count, std::vector<int32_t> &blocks) {
  if (count > available())
    return false;
  for (uint32_t i = 0; i < count; ++i) {
    if (free_.empty())
      forgetOldest();
    int32_t block = free_.back();
    free_.pop_back();
    references_[size_t(block)] = 1;
    blocks.push_back(block);
  }
  counters_.mostInUse = std::max(counters_.mostInUse, total() - available());
  return true;
}

void KvBlocks::free(std::span<const int32_t> blocks) {
  for (int32_t block : blocks) {
    if (block < 0 || uint32_t(block) >= total() || references_[size_t(block)] == 0)
      failInternal("KV block {} is given back, but not in use", block);
    if (--references_[size_t(block)] == 0 && (contents_.empty() || !contents_[size_t(block)].known))
      free_.push_back(block);
  }
  // The end of a sequence is the least likely to be asked for again: it becomes the oldest.
  for (size_t i = blocks.size(); i-- > 0;)
    if (!contents_.empty() && references_[size_t(blocks[i])] == 0 &&
        contents_[size_t(blocks[i])].known)
      keep(blocks[i]);
}

void KvBlocks::remember(int32_t block, uint64_t contents) {
  if (contents_.empty())
    contents_.resize(total());
  Contents &entry = contents_[size_t(block)];
  if (entry.known || references_[size_t(block)] == 0)
    failInternal("KV block {} cannot be given contents: it is {}", block,
                 entry.known ? "known already" : "not in use");
  if (byHash_.emplace(contents, block).second) {
    entry.hash = contents;
    entry.known = true;
  }
}

std::optional<int32_t> KvBlocks::find(uint64_t contents) const {
  const auto found = byHash_.find(contents);
  return found == byHash_.end() ? std::nullopt : std::optional(found->second);
}

void KvBlocks::share(int32_t block) {
  if (references_[size_t(block)] == 0) {
    if (contents_.empty() || !contents_[size_t(block)].known)
      failInternal("KV block {} is shared, but holds nothing", block);
    unlink(block);
  }
  ++references_[size_t(block)];
  counters_.mostInUse = std::max(counters_.mostInUse, total() - available());
}

bool KvBlocks::swapTo(KvBlocks &other, std::span<const int32_t> blocks,
                      std::vector<int32_t> &moved) {
  if (!other.allocate(uint32_t(blocks.size()), moved))
    return false;
  free(blocks);
  counters_.movedOut += blocks.size();
  other.counters_.movedIn += blocks.size();
  return true;
}

void KvBlocks::keep(int32_t block) {
  Contents &entry = contents_[size_t(block)];
  entry.older = newest_;
  entry.newer = none;
  (newest_ == none ? oldest_ : contents_[size_t(newest_)].newer) = block;
  newest_ = block;
  ++keptCount_;
}

void KvBlocks::unlink(int32_t block) {
  Contents &entry = contents_[size_t(block)];
  (entry.older == none ? oldest_ : contents_[size_t(entry.older)].newer) = entry.newer;
  (entry.newer == none ? newest_ : contents_[size_t(entry.newer)].older) = entry.older;
  --keptCount_;
}

void KvBlocks::forgetOldest() {
  const int32_t block = oldest_;
  unlink(block);
  byHash_.erase(contents_[size_t(block)].hash);
  contents_[size_t(block)].known = false;
  free_.push_back(block);
  ++counters_.evicted;
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
static uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

uint64_t hashBlock(uint64_t parent, std::span<const int32_t> ids) {
  uint64_t hash = mix(parent + 0x9e3779b97f4a7c15);
  for (int32_t id : ids)
    hash = mix(hash + 0x9e3779b97f4a7c15 + uint32_t(id));
  return hash;
}

std::vector<uint64_t> hashBlocks(std::span<const int32_t> ids, uint32_t blockSize) {
  std::vector<uint64_t> hashes;
  for (size_t end = blockSize; end <= ids.size(); end += blockSize)
    hashes.push_back(
        hashBlock(hashes.empty() ? 0 : hashes.back(), ids.subspan(end - blockSize, blockSize)));
  return hashes;
}

} // namespace vinci
