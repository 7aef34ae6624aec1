#include "runtime/clock/plan_work.h"

#include "runtime/support/error.h"
#include "tests/unit/plan/sample_plan.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

StepRecord decodeOf(uint32_t sequences, uint32_t context) {
  StepRecord step;
  for (uint32_t i = 0; i < sequences; ++i)
    step.addSequence(1, context - 1);
  return step;
}

TEST(StepWork, AVectorKernelReadsAndWritesItsBytes) {
  const Cost cost{.kind = CostClass::Vector,
                  .rows = {VINCI_DIM_TOKENS, 2},
                  .fixedBytes = 100,
                  .rowBytes = 10,
                  .rowFlops = 3};
  const StepWork work = workOf(cost, decodeOf(4, 50));
  EXPECT_EQ(work.launches, 1u);
  EXPECT_EQ(work.hbmBytes, 100 + 8 * 10);
  EXPECT_EQ(work.flops, 8 * 3);
  EXPECT_EQ(work.collectives, 0u);
}

TEST(StepWork, AMatmulMultipliesEachRow) {
  const Cost cost{.kind = CostClass::Matmul,
                  .rows = {VINCI_DIM_TOKENS, 1},
                  .n = 32,
                  .k = 16,
                  .fixedBytes = 1024,
                  .rowBytes = 96};
  const StepWork work = workOf(cost, decodeOf(4, 50));
  EXPECT_EQ(work.flops, 2 * 4 * 32 * 16);
  EXPECT_EQ(work.hbmBytes, 1024 + 4 * 96);
  EXPECT_EQ(work.weightBytes, 1024);
  EXPECT_EQ(work.bfloat16Bytes, 1024);
  EXPECT_EQ(work.productFlops, work.flops);
  EXPECT_EQ(work.int8Flops, 0);
}

TEST(StepWork, ProductsOfInt8AreCountedApart) {
  Cost cost{.kind = CostClass::Matmul,
            .weights = DType::Int8,
            .activations = DType::Int8,
            .rows = {VINCI_DIM_TOKENS, 1},
            .n = 32,
            .k = 16};
  const StepWork work = workOf(cost, decodeOf(4, 50));
  EXPECT_EQ(work.int8Flops, 2 * 4 * 32 * 16);
  EXPECT_EQ(work.productFlops, work.int8Flops);
  EXPECT_EQ(work.bfloat16Bytes, 0);
  cost.activations = DType::BFloat16; // the weights are widened
  EXPECT_EQ(workOf(cost, decodeOf(4, 50)).int8Flops, 0);
}

TEST(StepWork, ExpertsThatWereRecordedAreThoseThatAreRead) {
  const Cost cost{.kind = CostClass::GroupedMatmul,
                  .rows = {VINCI_DIM_TOKENS, 1},
                  .groups = 4,
                  .experts = 8,
                  .topK = 2,
                  .fixedBytes = 4000,
                  .rowBytes = 96};
  const uint32_t hit[] = {1, 3};
  StepRecord step = decodeOf(1, 50);
  step.expertsHit = hit;
  EXPECT_EQ(workOf(cost, step, 0).weightBytes, 1000);
  EXPECT_EQ(workOf(cost, step, 1).weightBytes, 3000);
  EXPECT_EQ(workOf(cost, step, 1).hbmBytes, 3000 + 96);
}

TEST(StepWork, ExpertsAreReadAsOftenAsUniformRoutingHitsThem) {
  Cost cost{.kind = CostClass::GroupedMatmul,
            .rows = {VINCI_DIM_TOKENS, 1},
            .n = 32,
            .k = 16,
            .groups = 4,
            .experts = 8,
            .topK = 2,
            .fixedBytes = 4000,
            .rowBytes = 96};
  // One token goes to 2 of 8 experts, half of which are here.
  const StepWork one = workOf(cost, decodeOf(1, 50));
  EXPECT_DOUBLE_EQ(one.flops, 2 * 1 * 32 * 16);
  EXPECT_DOUBLE_EQ(one.hbmBytes, 1000 + 96);
  // Of many tokens every expert has some.
  EXPECT_NEAR(workOf(cost, decodeOf(1000, 50)).hbmBytes, 4000 + 1000 * 96, 1e-6);
  cost.topK = 8;
  EXPECT_DOUBLE_EQ(workOf(cost, decodeOf(1, 50)).hbmBytes, 4000 + 4 * 96);
}

TEST(StepWork, AttentionReadsTheCache) {
  const Cost cost{.kind = CostClass::Attention,
                  .weights = DType::BFloat16,
                  .activations = DType::BFloat16,
                  .heads = 8,
                  .kvHeads = 2,
                  .headDim = 64};
  const StepWork decode = workOf(cost, decodeOf(3, 100));
  EXPECT_EQ(decode.flops, 4 * 8 * 64 * 300);
  EXPECT_EQ(decode.hbmBytes, 2 * 300 * 2 * 64 * 2 + 2 * 3 * 8 * 64 * 2);
  StepRecord prefill;
  prefill.addSequence(10, 5);
  EXPECT_EQ(workOf(cost, prefill).flops, 4 * 8 * 64 * (10 * 5 + 55));
}

TEST(StepWork, ACollectiveMovesItsBuffer) {
  const Cost cost{.kind = CostClass::Collective, .rows = {VINCI_DIM_TOKENS, 1}, .rowBytes = 64};
  const StepWork work = workOf(cost, decodeOf(4, 50));
  EXPECT_EQ(work.collectiveBytes, 256);
  EXPECT_EQ(std::pair(work.launches, work.collectives), std::pair(uint64_t(0), uint64_t(1)));
  EXPECT_EQ(work.hbmBytes, 0);
}

TEST(StepWork, AStepIsTheSumOfItsCalls) {
  fb::PlanT tables = sample::rankedPlan({2});
  const Plan plan = Plan::parse(serializePlan(tables, sample::segments()), "ranks.plan");
  const StepWork work = workOf(plan, EntryKind::Decode, decodeOf(2, 10));
  uint64_t commands = 0, collectives = 0;
  for (const fb::Call *call : *plan.entry("decode")->calls())
    for (const fb::Command *command : *plan.root()->bodies()->Get(call->body())->commands()) {
      ++commands;
      collectives += plan.root()->kernels()->Get(command->kernel())->collective() ? 1 : 0;
    }
  EXPECT_GT(collectives, 0u);
  EXPECT_EQ(work.launches + work.collectives, commands);
  EXPECT_EQ(work.collectives, collectives);
  EXPECT_GT(work.hbmBytes, 0);
  EXPECT_GT(work.collectiveBytes, 0);
}

} // namespace
} // namespace vinci
