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
  const double hbmIdeal = bytes.hbmTime(spec_, 1), l2Ideal = bytes.l2Time(spec_, 1);
  return cost::evaluate(
      std::array{cost::Term{&fixed}, cost::Term{&cubeShare, compute},
                 cost::Term{&memoryShare, hbmIdeal}, cost::Term{&spec_[L2StreamShare], l2Ideal},
                 cost::Term{&spec_[CubeOverlapLoss]}},
      [&](const std::array<double, 5> &times, cost::Part *largest) {
        const auto [start, cubeTime, hbm, l2, loss] = times;
        cost::report(largest, {{Bound::Fixed, start, 0, &fixed},
                               {Bound::Compute, cubeTime, compute, &cubeShare},
                               {Bound::Hbm, hbm, hbmIdeal, &memoryShare},
                               {Bound::L2, l2, l2Ideal, &spec_[L2StreamShare]}});
        return start + cost::overlapped(cubeTime, std::max(hbm, l2), loss);
      });
}

} // namespace vinci
