#include "runtime/text/bpe.h"

#include <algorithm>

namespace vinci {

static uint64_t pairKey(int32_t left, int32_t right) {
  return (uint64_t(uint32_t(left)) << 32) | uint32_t(right);
}

void BpeMerges::add(int32_t left, int32_t right, int32_t result) {
  merges_[pairKey(left, right)] = {count_++, result};
}

const BpeMerges::Merge *BpeMerges::find(int32_t left, int32_t right) const {
  auto found = merges_.find(pairKey(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BpeMerges::apply(std::span<const int32_t> word, Workspace &workspace,
                      std::vector<int32_t> &ids) const {
  using Candidate = Workspace::Candidate;
  // A heap of possible merges over a linked list of symbols. Merged-away symbols stay in the list's
  // memory with id -1, and candidates that no longer fit are recognised when they surface.
  auto &symbols = workspace.symbols;
  auto &heap = workspace.heap;
  symbols.clear();
  heap.clear();
  auto later = [](const Candidate &a, const Candidate &b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  auto propose = [&](int32_t at) {
    if (at < 0 || symbols[at].next < 0)
      return;
    if (const Merge *merge = find(symbols[at].id, symbols[symbols[at].next].id)) {
      heap.push_back({merge->rank, at, merge->result});
      std::push_heap(heap.begin(), heap.end(), later);
    }
  };

  int32_t count = static_cast<int32_t>(word.size());
  for (int32_t i = 0; i < count; ++i)
    symbols.push_back({word[i], i - 1, i + 1 < count ? i + 1 : -1});
  for (int32_t i = 0; i + 1 < count; ++i)
    propose(i);

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Candidate candidate = heap.back();
    heap.pop_back();
    auto &left = symbols[candidate.at];
    if (left.id < 0 || left.next < 0)
      continue;
    auto &right = symbols[left.next];
    const Merge *merge = find(left.id, right.id);
    if (!merge || merge->result != candidate.result)
      continue;
    left.id = merge->result;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0)
      symbols[left.next].previous = candidate.at;
    propose(left.previous);
    propose(candidate.at);
  }

  for (int32_t at = count > 0 ? 0 : -1; at >= 0; at = symbols[at].next)
    ids.push_back(symbols[at].id);
}

} // namespace vinci
