// What the memory of one device goes to: weights, activations, captured graphs, buffers of
// collectives, and the KV cache, which gets what a rule gives it. Numbers only; who needs how much
// is the caller's to know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

inline constexpr double bytesPerGib = double(uint64_t(1) << 30);

/// "35.00 GiB".
std::string gibText(double bytes);

/// What a plan needs of each device; bytes.
struct MemoryDemand {
  uint64_t weights = 0;
  /// Of the largest step, the logits of a full batch among them.
  uint64_t activations = 0;
  uint64_t attentionMask = 0; ///< where attention takes a whole one
  uint64_t graphPool = 0;     ///< that all captured graphs share
  uint64_t collectiveBuffers = 0;
  uint64_t bytesPerKvBlock = 0; ///< of all layers
  uint32_t blockSize = 0;       ///< tokens
  /// Of the plan; what is taken where a rule leaves nothing.
  uint32_t planKvBlocks = 0;

  uint64_t beforeKvCache() const {
    return weights + activations + attentionMask + graphPool + collectiveBuffers;
  }
};

/// What of a device a server may use, and how it finds the size of its KV cache: the first of
///   kvBlocks   so many blocks
///   kvGib      GiB for the cache (MindIE's npuMemSize); negative: not said
///   nonKvGib   GiB for all else; the cache gets the rest of the device's share
/// that is there, else all that is left.
struct MemoryRule {
  std::string device;                ///< its name, for messages
  double capacity = 0;               ///< bytes
  double usable = 0;                 ///< bytes; the driver has the rest
  std::optional<double> deviceGib;   ///< in place of the capacity, all of it usable
  std::optional<double> utilization; ///< the share of the device that the server may use
  std::optional<double> limitGib;    ///< the most that it may use
  std::optional<double> kvGib, nonKvGib;
  std::optional<uint32_t> kvBlocks;
};

/// Of the mask that attention takes on a device: on a 310P3 2 bytes for each query and key; others
/// know what is causal.
uint64_t attentionMaskBytes(std::string_view device, uint64_t queries, uint64_t keys);

struct MemoryBudget {
  std::string device;
  uint64_t capacity = 0; ///< that the server may use
  uint64_t weights = 0, activations = 0, attentionMask = 0, graphPool = 0, collectiveBuffers = 0;
  uint64_t kvCache = 0; ///< for whole blocks
  uint32_t kvBlocks = 0;
  uint64_t kvTokens = 0;
  std::string rule;    ///< how the cache's size comes about
  std::string warning; ///< of a rule that leaves nothing; empty: none
  /// What is wrong, with the sum of all rows; empty: everything fits, and there is a block at
  /// least.
  std::string problem;

  struct Row {
    const char *what;
    uint64_t bytes;
  };
  /// What takes memory, in order; those that a plan never needs are 0.
  std::vector<Row> rows() const;
  uint64_t used() const;
  bool fits() const { return problem.empty(); }
  /// "weights 15.26 GiB + … = 40.10 GiB of 61.00 GiB".
  std::string sum() const;
};

MemoryBudget budgetOf(const MemoryRule &rule, const MemoryDemand &demand);

} // namespace vinci
