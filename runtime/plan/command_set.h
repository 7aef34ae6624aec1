// Sets of commands of one body, for the plan verifier.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vinci::planverify {

/// A set of command ordinals of one body. Grows as needed: most memory is used by few commands.
class CommandSet {
public:
  static constexpr uint32_t none = ~uint32_t(0);

  void insert(uint32_t command) {
    if (words_.size() <= command / 64)
      words_.resize(command / 64 + 1);
    words_[command / 64] |= uint64_t(1) << (command % 64);
  }
  void insert(const CommandSet &other) {
    if (words_.size() < other.words_.size())
      words_.resize(other.words_.size());
    for (size_t i = 0; i < other.words_.size(); ++i)
      words_[i] |= other.words_[i];
  }
  /// The first member that is not in `other`, or `none`.
  uint32_t firstNotIn(const CommandSet &other) const {
    for (size_t i = 0; i < words_.size(); ++i)
      if (uint64_t rest = words_[i] & ~(i < other.words_.size() ? other.words_[i] : 0))
        return uint32_t(i * 64 + std::countr_zero(rest));
    return none;
  }
  bool contains(uint32_t command) const {
    return command / 64 < words_.size() && (words_[command / 64] >> (command % 64) & 1) != 0;
  }
  size_t words() const { return words_.size(); }

private:
  std::vector<uint64_t> words_;
};

} // namespace vinci::planverify
