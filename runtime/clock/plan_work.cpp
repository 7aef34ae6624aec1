#include "runtime/clock/plan_work.h"

#include "runtime/clock/plan_costs.h"
#include "runtime/device/cost_model.h"
#include "runtime/plan/collectives.h"
#include "runtime/plan/mesh.h"

namespace vinci {

StepWork &StepWork::operator+=(const StepWork &other) {
  launches += other.launches;
  collectives += other.collectives;
  prefetches += other.prefetches;
  flops += other.flops;
  hbmBytes += other.hbmBytes;
  collectiveBytes += other.collectiveBytes;
  weightBytes += other.weightBytes;
  bfloat16Bytes += other.bfloat16Bytes;
  kvBytes += other.kvBytes;
  productFlops += other.productFlops;
  int8Flops += other.int8Flops;
  return *this;
}

/// As in docs/cost-model.md.
StepWork workOf(const Cost &cost, const StepRecord &step, uint32_t moeLayer) {
  const double rows = double(step.count(cost.rows));
  const double rowBytes = rows * double(cost.rowBytes), fixedBytes = double(cost.fixedBytes);
  StepWork work{.launches = 1};
  switch (cost.kind) {
  case CostClass::Vector:
    work.flops = rows * cost.rowFlops;
    work.hbmBytes = fixedBytes + rowBytes;
    break;
  case CostClass::Matmul:
    work.flops = 2 * rows * double(cost.n) * double(cost.k);
    work.hbmBytes = fixedBytes + rowBytes;
    work.weightBytes = fixedBytes;
    break;
  case CostClass::GroupedMatmul: {
    const double share = double(cost.topK) * cost.groups / cost.experts;
    const double hit = moeLayer < step.expertsHit.size()
                           ? step.expertsHit[moeLayer]
                           : CostModel::expectedHits(cost.groups, cost.experts, cost.topK, rows);
    work.flops = 2 * rows * share * double(cost.n) * double(cost.k);
    work.weightBytes = hit / cost.groups * fixedBytes;
    work.hbmBytes = work.weightBytes + share * rowBytes;
    break;
  }
  case CostClass::Attention: {
    const double width = double(cost.headDim) * double(byteSize(cost.activations));
    const double queries = double(step.decodeSequences + step.prefillTokens);
    const double cached = double(step.decodeKvTokens + step.prefillKvTokens);
    work.flops = 4 * double(cost.heads) * double(cost.headDim) *
                 double(step.prefillPairs + step.decodeKvTokens);
    work.kvBytes =
        2 * cached * double(cost.kvHeads) * double(cost.headDim) * double(byteSize(cost.weights));
    work.hbmBytes = 2 * queries * double(cost.heads) * width + work.kvBytes;
    break;
  }
  case CostClass::Collective:
    return {.collectives = 1, .collectiveBytes = fixedBytes + rowBytes};
  }
  if (cost.kind != CostClass::Vector)
    work.productFlops = work.flops;
  if (cost.kind != CostClass::Attention && cost.weights == DType::BFloat16)
    work.bfloat16Bytes = work.weightBytes;
  if (cost.kind != CostClass::Attention && cost.weights == DType::Int8 &&
      cost.activations == DType::Int8)
    work.int8Flops = work.productFlops;
  return work;
}

/// Work of a call, and whether its body has experts.
static std::pair<StepWork, bool> workOf(const Plan &plan, const fb::Body &body,
                                        const StepRecord &step, uint32_t moeLayer) {
  const Mesh mesh(*plan.root());
  StepWork work;
  bool isMoe = false;
  for (const fb::Command *command : *body.commands()) {
    const fb::Kernel *kernel = plan.root()->kernels()->Get(command->kernel());
    if (const fb::Collective *collective = kernel->collective())
      work += workOf(toCost(*collective, mesh.ranksAlong(axesOf(*collective->axes()))), step);
    if (const fb::Prefetch *prefetch = kernel->prefetch())
      work.prefetches += step.tokens >= prefetch->min_tokens() ? 1 : 0;
    if (isCompiled(*kernel)) {
      const Cost cost = toCost(plan, *kernel);
      isMoe |= cost.kind == CostClass::GroupedMatmul;
      work += workOf(cost, step, moeLayer);
    }
  }
  return {work, isMoe};
}

StepWork workOf(const Plan &plan, EntryKind kind, StepRecord step) {
  step.tokenShares = plan.root()->limits()->token_shares();
  StepWork work;
  uint32_t moeLayer = 0;
  for (const fb::Call *call : *plan.entry(toString(kind))->calls()) {
    const auto [ofCall, isMoe] =
        workOf(plan, *plan.root()->bodies()->Get(call->body()), step, moeLayer);
    work += ofCall;
    moeLayer += isMoe ? 1 : 0;
  }
  return work;
}

} // namespace vinci
