// t = alpha(ranks, who issues it) + latencies of the levels + the slowest level's bytes / link.
//
// An all-reduce is a reduce-scatter and an all-gather: two phases. Inside a level each rank brings
// its part to the others at once over a full mesh, over its one port to a switch, or around a ring;
// the next level moves what that left, a part for each unit.
#include "runtime/device/cost_parts.h"

namespace vinci {

using enum Constant;

/// Measured at 2, 4 and 8 ranks; beyond, each doubling adds what the last one did.
static Quantity alphaOf(const DeviceSpec &spec, Expansion expansion, uint32_t ranks) {
  const Constant first = next(CollectiveHostRanks2, 3 * unsigned(expansion));
  if (!spec.has(first))
    fail("{} has no collectives on {}; {} is legal", spec.name,
         expansion == Expansion::Aiv ? "vector cores (AIV)" : "the device's CPU (AI_CPU)",
         spec.has(CollectiveAiCpuRanks2) ? "HOST or AI_CPU" : "HOST");
  const double doublings = std::log2(double(std::max(ranks, 2u))) - 1;
  const unsigned segment = doublings < 1 ? 0 : 1;
  return cost::between(spec[next(first, segment)], spec[next(first, segment + 1)],
                       doublings - segment);
}

OpTime CostModel::collective(const CollectiveWork &work) const {
  const uint32_t ranks = work.group.ranks;
  const Quantity alpha = alphaOf(spec_, work.expansion, ranks);
  if (ranks < 2)
    return {.tag = alpha.tag, .constant = alpha.name};
  const bool twoPhases =
      work.kind == CollectiveKind::AllReduce || work.kind == CollectiveKind::Broadcast;
  const double phases = twoPhases ? 2 : 1;

  double latency = 0, slowest = -1, bytes = 0, slowestSteps = 0, inner = 1;
  size_t slowestLevel = 0;
  for (size_t level = 0; level < levelCount; ++level) {
    const double units = work.group.perLevel[level];
    if (units < 2)
      continue;
    const Constant begin = DeviceSpec::levelBegin(level);
    const bool isRing = spec_.links[level] == LinkKind::Ring;
    const double steps = phases * (isRing ? units - 1 : 1);
    latency += steps * spec_[next(begin, 3)].value;
    // Of what one rank sends in a phase, the part that goes over one link.
    double sent = work.kind == CollectiveKind::AllToAll ? work.bytes * inner / ranks
                                                        : work.bytes / (inner * units);
    if (spec_.links[level] != LinkKind::FullMesh)
      sent *= units - 1;
    // On a ring, what is for the farthest passes all links: half of them on the average.
    if (isRing && work.kind == CollectiveKind::AllToAll)
      sent *= units / 2;
    const double time = phases * sent / (spec_[next(begin)].value * spec_[next(begin, 2)].value);
    if (time > slowest) {
      slowest = time;
      slowestLevel = level;
      slowestSteps = steps;
      bytes = phases * sent;
    }
    inner *= units;
  }

  const Constant link = next(DeviceSpec::levelBegin(slowestLevel));
  const Quantity &share = spec_[next(link)];
  const double ideal = bytes / spec_[link].value;
  latency -= slowestSteps * spec_[next(link, 2)].value; // that of the other levels
  return cost::evaluate(
      std::array{&alpha, &share, &spec_[next(link, 2)], &spec_[CollectiveOnePhase]},
      [&](const std::array<double, 4> &c, cost::Part *largest) {
        const double start = twoPhases ? c[0] : c[0] * c[3];
        cost::report(largest, {{Bound::Fixed, start, 0, &alpha},
                               {Bound::Link, ideal / c[1], ideal, &share}});
        return start + std::max(0.0, latency) + slowestSteps * c[2] + ideal / c[1];
      });
}

} // namespace vinci
