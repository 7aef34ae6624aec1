#include "runtime/prediction/serving_settings.h"

#include <gtest/gtest.h>

namespace vinci {
namespace {

TEST(ServingSettings, GraphModesDecideHowKernelsAreLaunched) {
  const StackProfile &vllm = stackProfile("vllm-ascend-0.11"),
                     &mindie = stackProfile("mindie-1.0.0-ms");
  ServingSettings settings;
  EXPECT_EQ(launchPolicyOf(settings, vllm).decode, LaunchMode::Eager);
  settings.graphMode = "full-decode-only";
  EXPECT_EQ(launchPolicyOf(settings, vllm).decode, LaunchMode::Graph);
  EXPECT_EQ(launchPolicyOf(settings, vllm).prefill, LaunchMode::Eager);
  settings.graphMode = "full";
  EXPECT_EQ(launchPolicyOf(settings, vllm).prefill, LaunchMode::Graph);
  EXPECT_EQ(launchPolicyOf(settings, vllm).attentionUs, vllm.attentionUs.value);
  EXPECT_EQ(launchPolicyOf(settings, vllm, Estimate::Low).attentionUs, vllm.attentionUs.low);
  EXPECT_EQ(launchPolicyOf(settings, mindie).prefill, LaunchMode::KernelByKernel);
  EXPECT_EQ(launchPolicyOf(settings, mindie).attentionUs, 0);
  EXPECT_EQ(launchPolicyOf(settings, mindie).prefillLaunchUs, mindie.launchUsPerOp.value);
  EXPECT_EQ(launchPolicyOf(settings, mindie, Estimate::High).prefillLaunchUs,
            mindie.launchUsPerOp.high);
}

TEST(ServingSettings, PlanningAheadIsAskedForAndPossible) {
  const StackProfile &vllm = stackProfile("vllm-ascend-0.11"),
                     &mindie = stackProfile("mindie-1.0.0-ms");
  ServingSettings settings;
  settings.memory.kvBlocks = 1000;
  EXPECT_FALSE(plansAhead(settings, vllm));
  EXPECT_EQ(schedulerOf(settings, vllm)->stepsAhead(), 1u);
  settings.asyncScheduling = true;
  EXPECT_TRUE(plansAhead(settings, vllm));
  EXPECT_FALSE(plansAhead(settings, mindie));
  EXPECT_EQ(schedulerOf(settings, vllm)->stepsAhead(), 2u);
  const LaunchPolicy policy = launchPolicyOf(settings, vllm);
  EXPECT_DOUBLE_EQ(policy.idleUs, vllm.servingGapUs.value - vllm.asyncHidesUs.value);
  EXPECT_TRUE(stepFillingOf(settings, vllm).plansAhead);
  settings.isMindie = true;
  EXPECT_FALSE(stepFillingOf(settings, vllm).plansAhead);
  EXPECT_FALSE(stepFillingOf(settings, vllm).mixes);
}

TEST(ServingSettings, HostsAreLateWhereBindingIsSaid) {
  const StackProfile &vllm = stackProfile("vllm-ascend-0.11");
  ServingSettings settings;
  EXPECT_EQ(simulationOptionsOf(settings, vllm, 8, 3).jitter.meanNs, 0);
  settings.cpuBinding = true;
  const SimulationOptions bound = simulationOptionsOf(settings, vllm, 8, 3);
  settings.cpuBinding = false;
  EXPECT_LT(bound.jitter.meanNs, simulationOptionsOf(settings, vllm, 8, 3).jitter.meanNs);
  EXPECT_EQ(bound.jitter.ranks, 8u);
  EXPECT_EQ(bound.jitter.seed, 3u);
}

} // namespace
} // namespace vinci
