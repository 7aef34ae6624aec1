// Byte-pair encoding: a word's symbols are merged, pair by pair, in the order in which the merges
// were learnt.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace vinci {

/// The learnt merges, and the merging of one word in O(n log n).
class BpeMerges {
public:
  /// Merging `left` and `right` gives `result`. Earlier merges go first; for a pair given twice the
  /// later one counts.
  void add(int32_t left, int32_t right, int32_t result);
  size_t size() const { return count_; }

  /// Memory that apply() works in, kept from call to call.
  struct Workspace {
    struct Symbol {
      int32_t id;
      int32_t previous;
      int32_t next;
    };
    struct Candidate {
      uint32_t rank;
      int32_t at;
      int32_t result;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  /// Appends to `ids` what is left of the word `symbols` after all merges.
  void apply(std::span<const int32_t> symbols, Workspace &workspace,
             std::vector<int32_t> &ids) const;

private:
  struct Merge {
    uint32_t rank;
    int32_t result;
  };
  const Merge *find(int32_t left, int32_t right) const;

  uint32_t count_ = 0;
  std::unordered_map<uint64_t, Merge> merges_;
};

} // namespace vinci
