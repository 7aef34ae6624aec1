// t = fixed + decode + prefill, each where the step has such sequences.
//
// Decode reads the cache: as fast as HBM delivers what is no longer in L2, as L2 delivers all of
// it, and as the cores that have something to do can take it. Prefill multiplies: 4 * heads *
// headDim flops for each pair of tokens that see each other, at an efficiency that grows with
// length.
#include "runtime/device/cost_parts.h"

namespace vinci {

using enum Constant;

/// By KV heads on the device: measured at 1 and from 4 on.
static Quantity decodeShare(const DeviceSpec &spec, double kvHeads) {
  const double position = std::clamp(std::log2(std::max(kvHeads, 1.0)) / 2, 0.0, 1.0);
  return cost::between(spec[AttentionShareKvHeads1], spec[AttentionShareKvHeads4], position);
}

/// By length, from 512 to 8192 and constant beyond.
static Quantity prefillShare(const DeviceSpec &spec, double length) {
  const double position = std::clamp(std::log2(std::max(length, 1.0) / 512), 0.0, 4.0);
  const auto segment = unsigned(std::min(position, 3.0));
  return cost::betweenPowers(spec[next(PrefillShare512, segment)],
                             spec[next(PrefillShare512, segment + 1)], position - segment);
}

OpTime CostModel::attention(const AttentionWork &work, LaunchMode mode) const {
  const Quantity &fixed = cost::fixedTime(spec_, mode, LaunchedAttention);
  const double tokenBytes = 2 * work.kvHeads * work.headDim * double(byteSize(work.kv));

  const Quantity share = decodeShare(spec_, work.kvHeads);
  const double kvBytes = work.decodeKvTokens * tokenBytes;
  const cost::Streams decode = {kvBytes * (1 - residentShare(work.reuseBytes)), kvBytes};
  // A core is given one sequence and KV head, or a piece of a long one.
  const double length = work.decodeSequences > 0 ? work.decodeKvTokens / work.decodeSequences : 0;
  const double heads = work.decodeSequences * work.kvHeads;

  // A causal prompt sees half of its length on the average.
  const Quantity prefill = work.prefillPairs > 0
                               ? prefillShare(spec_, 2 * work.prefillPairs / work.prefillTokens)
                               : spec_[PrefillShare512];
  const double flops = 4 * work.heads * work.headDim * work.prefillPairs;
  const double compute =
      flops > 0 ? flops / (cost::cubeRate(spec_, work.activations) * spec_[CubeCores].value) : 0;
  const double prefillBytes = work.prefillKvTokens * tokenBytes / spec_[MemoryBandwidth].value;

  return cost::evaluate(
      std::array{&fixed, &share, &prefill, &spec_[L2StreamShare], &spec_[AttentionSplit],
                 &spec_[AttentionCoreBandwidth]},
      [&](const std::array<double, 6> &c, cost::Part *largest) {
        const double busy = std::min(spec_[CubeCores].value, heads * std::max(1.0, length / c[4]));
        const double hbm = decode.hbmTime(spec_, c[1]), l2 = decode.l2Time(spec_, c[3]);
        const double cores = kvBytes > 0 ? kvBytes / (busy * c[5]) : 0;
        const double prefillMemory = prefillBytes / c[1], prefillCompute = compute / c[2];
        const bool computes = prefillCompute >= prefillMemory;
        cost::report(largest,
                     {{Bound::Fixed, c[0], 0, &fixed},
                      {Bound::Hbm, hbm, decode.hbmTime(spec_, 1), &share},
                      {Bound::L2, l2, decode.l2Time(spec_, 1), &spec_[L2StreamShare]},
                      {Bound::Hbm, cores, decode.hbmTime(spec_, 1), &spec_[AttentionCoreBandwidth]},
                      computes ? cost::Part{Bound::Compute, prefillCompute, compute, &prefill}
                               : cost::Part{Bound::Hbm, prefillMemory, prefillBytes, &share}});
        return c[0] + std::max({hbm, l2, cores}) + std::max(prefillCompute, prefillMemory);
      });
}

} // namespace vinci
