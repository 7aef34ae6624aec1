// t = fixed + overlapped(cube, weights of the experts that were hit + activations).
#include "runtime/device/cost_parts.h"

namespace vinci {

using enum Constant;

double CostModel::expectedHits(double groups, double experts, double topK, double tokens) {
  if (topK >= experts)
    return tokens > 0 ? groups : 0;
  return -groups * std::expm1(tokens * std::log1p(-topK / experts));
}

OpTime CostModel::groupedMatmul(const GroupedMatmulWork &work, LaunchMode mode) const {
  const DType type = cost::multipliedType(work.weights, work.activations);
  const bool isInt8 = type == DType::Int8;
  const Quantity &fixed =
      cost::fixedTime(spec_, mode, isInt8 ? LaunchedGroupedInt8 : LaunchedGroupedFloat);
  const Quantity &cubeShare = spec_[isInt8 ? CubeGroupedShareInt8 : CubeGroupedShareFloat];
  const Quantity &memoryShare = spec_[work.weights != DType::Int8 ? MemoryShareGroupedFloat
                                      : work.inFractals           ? MemoryShareGroupedInt8
                                                                  : MemoryShareGroupedInt8Nd];
  const double compute =
      2 * work.rows * work.n * work.k / (cost::cubeRate(spec_, type) * spec_[CubeCores].value);
  const double weights = work.hit * work.expertBytes;
  const double warm = residentShare(work.activationBytes) * work.activationBytes;
  const double cached = std::min(work.cachedBytes, weights);
  const cost::Streams bytes = {weights - cached + work.activationBytes - warm,
                               weights + work.activationBytes};
  return cost::evaluate(
      std::array{&fixed, &cubeShare, &memoryShare, &spec_[L2StreamShare], &spec_[CubeOverlapLoss]},
      [&](const std::array<double, 5> &c, cost::Part *largest) {
        const double cubeTime = compute / c[1], hbm = bytes.hbmTime(spec_, c[2]);
        const double l2 = bytes.l2Time(spec_, c[3]);
        cost::report(largest, {{Bound::Fixed, c[0], 0, &fixed},
                               {Bound::Compute, cubeTime, compute, &cubeShare},
                               {Bound::Hbm, hbm, bytes.hbmTime(spec_, 1), &memoryShare},
                               {Bound::L2, l2, bytes.l2Time(spec_, 1), &spec_[L2StreamShare]}});
        return c[0] + cost::overlapped(cubeTime, std::max(hbm, l2), c[4]);
      });
}

} // namespace vinci
