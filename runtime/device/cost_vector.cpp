// t = fixed + max(bytes / (bandwidth * share), flops / (vector peak * share)).
#include "runtime/device/cost_parts.h"

namespace vinci {

using enum Constant;

OpTime CostModel::vector(double bytes, double flops, LaunchMode mode) const {
  const Quantity &fixed = cost::fixedTime(spec_, mode, LaunchedVector);
  const double memory = bytes / spec_[MemoryBandwidth].value;
  const double compute =
      flops / (spec_[VectorCores].value * spec_[VectorFrequency].value * spec_[VectorFlops].value);
  return cost::evaluate(
      std::array{&fixed, &spec_[MemoryShareVector], &spec_[VectorShare]},
      [&](const std::array<double, 3> &c, cost::Part *largest) {
        cost::report(largest, {{Bound::Fixed, c[0], 0, &fixed},
                               {Bound::Hbm, memory / c[1], memory, &spec_[MemoryShareVector]},
                               {Bound::Compute, compute / c[2], compute, &spec_[VectorShare]}});
        return c[0] + std::max(memory / c[1], compute / c[2]);
      });
}

} // namespace vinci
