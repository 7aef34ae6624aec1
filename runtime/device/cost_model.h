// How long work takes on a device: closed formulas over the constants of a DeviceSpec.
// docs/cost-model.md states each formula, where its constants come from, what test holds it and
// what it cannot predict.
//
// Times are microseconds. A model is immutable; evaluating allocates nothing and costs some 100 ns.
// The same spec and work give the same bits.
#pragma once

#include "runtime/device/command_list.h"
#include "runtime/device/device_spec.h"
#include "runtime/plan/cost.h"

#include <limits>

namespace vinci {

/// What takes the most of the time.
enum class Bound : uint8_t { Compute, Hbm, L2, Fixed, Link, Host };

/// "compute", "hbm", "l2", "fixed", "link", "host".
std::string_view toString(Bound bound);

struct OpTime {
  double us = 0;
  double p10 = 0; ///< with its constants in their ranges, independent of each other
  double p90 = 0;
  Bound bound = Bound::Fixed;
  /// Of the peak of what bounds it: flops, bytes of memory or link per time; 0 where it is Fixed or
  /// Host.
  double efficiency = 0;
  Provenance tag = Provenance::Estimate; ///< of `constant`
  std::string_view constant;             ///< the one that decides over the largest part of the time
};

struct MatmulWork {
  DType weights = DType::BFloat16;
  DType activations = DType::BFloat16;
  double rows = 0;
  double n = 0;
  double k = 0;
  double weightBytes = 0;
  double activationBytes = 0; ///< input and output
  double cachedBytes = 0;     ///< of the weights that lie in L2
};

struct GroupedMatmulWork {
  DType weights = DType::BFloat16;
  DType activations = DType::BFloat16;
  double hit = 0;  ///< experts that have rows
  double rows = 0; ///< over all of them
  double n = 0;
  double k = 0;
  double expertBytes = 0; ///< weights of one
  double activationBytes = 0;
  double cachedBytes = 0; ///< of the weights that lie in L2
  bool inFractals = true; ///< int8 weights are stored as the cube takes them (NZ), not by rows (ND)
};

struct AttentionWork {
  DType kv = DType::BFloat16;
  DType activations = DType::BFloat16;
  double heads = 0;
  double kvHeads = 0;
  double headDim = 0;
  double decodeSequences = 0;
  double decodeKvTokens = 0;
  double prefillTokens = 0;
  double prefillKvTokens = 0;
  double prefillPairs = 0;
  /// Bytes that the device reads between two reads of the same KV, these included; infinite: it
  /// always comes from HBM, as in a step of any model that does not fit L2.
  double reuseBytes = std::numeric_limits<double>::infinity();
};

/// Who issues collectives.
enum class Expansion : uint8_t { Host, AiCpu, Aiv };

struct CollectiveWork {
  CollectiveKind kind = CollectiveKind::AllReduce;
  double bytes = 0; ///< of the whole buffer, see Cost
  Expansion expansion = Expansion::Host;
  GroupShape group = {};
};

/// Where a command runs, beyond what its Cost and the step say.
struct CommandContext {
  double cachedBytes = 0; ///< of a matmul's weights, in L2 by a prefetch
  uint32_t moeLayer = 0;  ///< index into StepRecord::expertsHit
  double expertsHit = 0;  ///< of a grouped matmul, where the step does not count them; 0: expected
                          ///< from uniform routing
  double expertRows = 0;  ///< tokens at all experts of the rank; 0: its share of them
  bool inFractals = true; ///< a grouped matmul's weights, see GroupedMatmulWork
  CollectiveKind collective = CollectiveKind::AllReduce;
  Expansion expansion = Expansion::Host;
  GroupShape group = {};
};

class CostModel {
public:
  explicit CostModel(const DeviceSpec &spec);

  const DeviceSpec &spec() const { return spec_; }

  /// The device's time for a command in a step. Fails when the device cannot run it: a matmul of a
  /// type or a collective of a kind that it does not have.
  OpTime time(const Cost &cost, const StepRecord &step, const CommandContext &context = {}) const;

  OpTime matmul(const MatmulWork &work, LaunchMode mode) const;
  OpTime groupedMatmul(const GroupedMatmulWork &work, LaunchMode mode) const;
  OpTime attention(const AttentionWork &work, LaunchMode mode) const;
  /// `flops` in float32.
  OpTime vector(double bytes, double flops, LaunchMode mode) const;
  OpTime collective(const CollectiveWork &work) const;

  /// The host's time to bring `launches` kernels to the device. It passes beside the device's: a
  /// step takes the longer of the two.
  OpTime launch(uint64_t launches, LaunchMode mode) const;
  /// A copy between host and device.
  OpTime copy(double bytes) const;

  /// How much of a weight a prefetch brings into L2 while `window` microseconds of other work pass:
  /// at most `share` of it, at most the room that other bytes in use leave, at most what memory
  /// delivers.
  double prefetchedBytes(double weightBytes, double share, double bytesInUse, double window) const;
  /// The time of that on the stream of prefetches.
  OpTime prefetch(double bytes) const;

  /// Of something that is read again after `bytes` were read (itself included), the share that is
  /// still in L2.
  double residentShare(double bytes) const;

  /// Experts of `groups` that get a token when each of `tokens` goes to `topK` of `experts`.
  static double expectedHits(double groups, double experts, double topK, double tokens);

private:
  DeviceSpec spec_;
};

} // namespace vinci
