// The host's launches, copies between host and device, and prefetches into L2.
#include "runtime/device/cost_parts.h"

namespace vinci {

using enum Constant;

OpTime CostModel::launch(uint64_t launches, LaunchMode mode) const {
  const bool isGraph = mode == LaunchMode::Graph;
  const Quantity &perOp = spec_[isGraph                              ? LaunchGraph
                                : mode == LaunchMode::KernelByKernel ? LaunchKernelByKernel
                                                                     : LaunchEager];
  const Quantity &start = spec_[LaunchGraphStart];
  return cost::evaluate(
      std::array{&perOp, &start}, [&](const std::array<double, 2> &c, cost::Part *largest) {
        const double ops = double(launches) * c[0], once = isGraph ? c[1] : 0;
        cost::report(largest, {{Bound::Host, ops, 0, &perOp}, {Bound::Host, once, 0, &start}});
        return ops + once;
      });
}

OpTime CostModel::copy(double bytes) const {
  const double ideal = bytes / spec_[HostLinkBandwidth].value;
  return cost::evaluate(std::array{&spec_[HostLinkLatency], &spec_[HostLinkShare]},
                        [&](const std::array<double, 2> &c, cost::Part *largest) {
                          cost::report(largest,
                                       {{Bound::Fixed, c[0], 0, &spec_[HostLinkLatency]},
                                        {Bound::Link, ideal / c[1], ideal, &spec_[HostLinkShare]}});
                          return c[0] + ideal / c[1];
                        });
}

double CostModel::prefetchedBytes(double weightBytes, double share, double bytesInUse,
                                  double window) const {
  const double room =
      std::max(0.0, spec_[L2CliffStart].value * spec_[L2Capacity].value - bytesInUse);
  const double delivered =
      window * spec_[MemoryBandwidth].value * spec_[MemoryShareMatmulFloat].value;
  return std::min({share * weightBytes, room, delivered});
}

OpTime CostModel::prefetch(double bytes) const {
  const Quantity &share = spec_[MemoryShareMatmulFloat];
  const double ideal = bytes / spec_[MemoryBandwidth].value;
  return cost::evaluate(std::array{&share},
                        [&](const std::array<double, 1> &c, cost::Part *largest) {
                          cost::report(largest, {{Bound::Hbm, ideal / c[0], ideal, &share}});
                          return ideal / c[0];
                        });
}

} // namespace vinci
