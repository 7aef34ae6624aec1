#include "runtime/serving/metrics.h"

#include "runtime/serving/scheduler_vllm.h"
#include "tests/unit/serving/simulation_test.h"

namespace vinci {
namespace {

using namespace test;

/// Two requests at once, of three tokens and one; prefill of 50 ms, decode of 20, a gap of 5.
SimulationResult example() {
  MindieSettings settings;
  settings.maxPrefillBatchSize = 2;
  MindieScheduler scheduler(settings, {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 10, 4, 4, 5, 0, 0}, {0, 30, 1, 1, 5, 0, 0}});
  SimulationOptions options;
  options.servingGapNs = 5 * ms;
  return simulate(scheduler, load, timer, options);
}

TEST(Metrics, AreThoseOfTheDefinitions) {
  const ServingMetrics metrics = measure(example());
  EXPECT_EQ(metrics.requests, 2u);
  EXPECT_DOUBLE_EQ(metrics.ttftMs.mean, 55);
  EXPECT_DOUBLE_EQ(metrics.e2eMs.mean, (130 + 55) / 2.0);
  EXPECT_DOUBLE_EQ(metrics.e2eMs.p75, 55 + 0.75 * 75);
  EXPECT_DOUBLE_EQ(metrics.e2eMs.max, 130);
  EXPECT_EQ(metrics.tpotMs.count, 1u) << "one token has no gap";
  EXPECT_DOUBLE_EQ(metrics.tpotMs.mean, 25);
  EXPECT_EQ(metrics.interTokenMs.count, 3u);
  EXPECT_DOUBLE_EQ(metrics.interTokenMs.p99, 25);
  EXPECT_DOUBLE_EQ(metrics.maxGapMs, 25);
  EXPECT_DOUBLE_EQ(metrics.elapsedS, 0.13);
  EXPECT_DOUBLE_EQ(metrics.outputTokensPerS, 5 / 0.13);
  EXPECT_DOUBLE_EQ(metrics.outputTokensPerSPerRequest, 40);
  EXPECT_DOUBLE_EQ(metrics.requestsPerS, 2 / 0.13);
  EXPECT_DOUBLE_EQ(metrics.stepMs, 25);
  EXPECT_EQ(metrics.stepBatch, 1u);
  EXPECT_DOUBLE_EQ(metrics.hostBoundShare, 1 - 110.0 / 125);
}

TEST(Metrics, AsJson) {
  const SimulationResult result = example();
  EXPECT_EQ(
      toJson(measure(result), result).dump(),
      R"({"requests":2,"refused":0,)"
      R"("input_tokens":{"mean":20.0,"p50":20.0,"p75":25.0,"p90":28.0,"p99":29.8,"max":30.0},)"
      R"("output_tokens":{"mean":2.5,"p50":2.5,"p75":3.25,"p90":3.7,"p99":3.97,"max":4.0},)"
      R"("ttft_ms":{"mean":55.0,"p50":55.0,"p75":55.0,"p90":55.0,"p99":55.0,"max":55.0},)"
      R"("tpot_ms":{"mean":25.0,"p50":25.0,"p75":25.0,"p90":25.0,"p99":25.0,"max":25.0},)"
      R"("inter_token_ms":{"mean":25.0,"p50":25.0,"p75":25.0,"p90":25.0,"p99":25.0,"max":25.0},)"
      R"("e2e_ms":{"mean":92.5,"p50":92.5,"p75":111.25,"p90":122.5,"p99":129.25,"max":130.0},)"
      R"("largest_gap_ms":{"mean":25.0,"p50":25.0,"p75":25.0,"p90":25.0,"p99":25.0,"max":25.0},)"
      R"("max_gap_ms":25.0,"output_tokens_per_s":38.461538,)"
      R"("output_tokens_per_s_per_request":40.0,"requests_per_s":15.384615,"elapsed_s":0.13,)"
      R"("step_ms":25.0,"step_batch":1,"host_bound_share":0.12,"collective_skew_us":null,)"
      R"("counters":{"submitted":2,"refused":0,"truncated":0,"finished":2,"most_running":2,)"
      R"("most_kv_blocks":4,"waited_for_blocks":0,"stalls":0,"recomputed":0,)"
      R"("recomputed_tokens":0,"swapped_out":0,"swapped_in":0,"prefix_tokens_asked":0,)"
      R"("prefix_tokens_found":0,"wasted_tokens":0}})");
}

TEST(Metrics, WhatHasNoSamplesIsNull) {
  MindieScheduler scheduler(MindieSettings(), {1000, 0});
  TwoTimes timer({50 * ms, 0}, {20 * ms, 0});
  Load load = Load::trace({{0, 3000, 1, 1, 5, 0, 0}});
  const SimulationResult result = simulate(scheduler, load, timer, {});
  const nlohmann::ordered_json json = toJson(measure(result), result);
  EXPECT_EQ(json["refused"], 1);
  EXPECT_TRUE(json["ttft_ms"].is_null());
  EXPECT_TRUE(json["inter_token_ms"].is_null());
  EXPECT_EQ(json["elapsed_s"], 0.0);
  EXPECT_EQ(json["output_tokens_per_s"], 0.0);
}

// The gap is hidden, and half of each step is the host's.
TEST(Metrics, HostBoundShareCountsLaunchesAndGaps) {
  VllmSettings settings;
  settings.numBlocks = 1000;
  settings.asyncScheduling = true;
  VllmScheduler scheduler(settings);
  TwoTimes timer({10 * ms, 20 * ms}, {10 * ms, 20 * ms});
  Load load = Load::trace({{0, 10, 100, 100, 5, 0, 0}});
  SimulationOptions options;
  options.servingGapNs = 5 * ms;
  const ServingMetrics metrics = measure(simulate(scheduler, load, timer, options));
  EXPECT_DOUBLE_EQ(metrics.hostBoundShare, 0.5);
  EXPECT_DOUBLE_EQ(metrics.stepMs, 20);
}

} // namespace
} // namespace vinci
