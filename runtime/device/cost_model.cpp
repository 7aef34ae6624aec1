#include "runtime/device/cost_model.h"
#include "runtime/device/cost_parts.h"

namespace vinci {

using enum Constant;

std::string_view toString(Bound bound) {
  static constexpr std::string_view names[] = {"compute", "hbm", "l2", "fixed", "link", "host"};
  return names[size_t(bound)];
}

double cost::cubeRate(const DeviceSpec &spec, DType type) {
  const auto rate = [&](Constant flops) {
    if (!spec.has(flops))
      fail("{} has no {} matmul; {} is legal", spec.name, toString(type), toString(DType::Float16));
    return spec[flops].value * spec[CubeFrequency].value;
  };
  switch (type) {
  case DType::Float16:
    return rate(CubeFlopsFloat16);
  case DType::BFloat16:
    return rate(CubeFlopsBFloat16);
  case DType::Int8:
    return rate(CubeFlopsInt8);
  case DType::Float32:
    return rate(CubeFlopsFloat32);
  case DType::Int32:
    break;
  }
  failInternal("a matmul of {} has no cost", toString(type));
}

CostModel::CostModel(const DeviceSpec &spec) : spec_(spec) {}

double CostModel::residentShare(double bytes) const {
  const double begin = spec_[L2CliffStart].value * spec_[L2Capacity].value;
  const double end = spec_[L2CliffEnd].value * spec_[L2Capacity].value;
  return bytes <= begin ? 1 : bytes >= end ? 0 : (end - bytes) / (end - begin);
}

OpTime CostModel::time(const Cost &cost, const StepRecord &step,
                       const CommandContext &context) const {
  const double rows = double(step.count(cost.rows));
  const double rowBytes = rows * double(cost.rowBytes), fixedBytes = double(cost.fixedBytes);
  switch (cost.kind) {
  case CostClass::Vector:
    return vector(fixedBytes + rowBytes, rows * cost.rowFlops, step.mode);
  case CostClass::Matmul:
    return matmul({cost.weights, cost.activations, rows, double(cost.n), double(cost.k), fixedBytes,
                   rowBytes, context.cachedBytes},
                  step.mode);
  case CostClass::GroupedMatmul: {
    const double hit = !step.expertsHit.empty() ? double(step.expertsHit[context.moeLayer])
                       : context.expertsHit > 0
                           ? context.expertsHit
                           : expectedHits(cost.groups, cost.experts, cost.topK, rows);
    const double expertRows = context.expertRows > 0
                                  ? context.expertRows
                                  : rows * double(cost.topK) * cost.groups / cost.experts;
    return groupedMatmul({cost.weights, cost.activations, hit, expertRows, double(cost.n),
                          double(cost.k), fixedBytes / cost.groups,
                          expertRows * double(cost.rowBytes), context.cachedBytes,
                          context.inFractals},
                         step.mode);
  }
  case CostClass::Attention:
    return attention({cost.weights, cost.activations, double(cost.heads), double(cost.kvHeads),
                      double(cost.headDim), double(step.decodeSequences),
                      double(step.decodeKvTokens), double(step.prefillTokens),
                      double(step.prefillKvTokens), double(step.prefillPairs)},
                     step.mode);
  case CostClass::Collective:
    return collective(
        {context.collective, fixedBytes + rowBytes, context.expansion, context.group});
  }
  failInternal("a command of cost class {} has no formula", int(cost.kind));
}

} // namespace vinci
