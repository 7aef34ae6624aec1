#include "runtime/serving/metrics.h"

#include <cmath>

namespace vinci {

using Json = nlohmann::ordered_json;

static double rounded(double value) {
  return std::round(value * 1e6) / 1e6;
}

static Json toJson(const Distribution &distribution) {
  if (distribution.count == 0)
    return nullptr;
  return {{"mean", rounded(distribution.mean)}, {"p50", rounded(distribution.p50)},
          {"p75", rounded(distribution.p75)},   {"p90", rounded(distribution.p90)},
          {"p99", rounded(distribution.p99)},   {"max", rounded(distribution.max)}};
}

static Json toJson(const SchedulerCounters &counters, const KvBlocks::Counters &blocks) {
  return {{"submitted", counters.submitted},
          {"refused", counters.refused},
          {"truncated", counters.truncated},
          {"finished", counters.finished},
          {"most_running", counters.mostRunning},
          {"most_kv_blocks", blocks.mostInUse},
          {"waited_for_blocks", counters.waitedForBlocks},
          {"stalls", counters.stalls},
          {"recomputed", counters.recomputed},
          {"recomputed_tokens", counters.recomputedTokens},
          {"swapped_out", counters.swappedOut},
          {"swapped_in", counters.swappedIn},
          {"prefix_tokens_asked", counters.prefixTokensAsked},
          {"prefix_tokens_found", counters.prefixTokensFound},
          {"wasted_tokens", counters.wastedTokens}};
}

Json toJson(const ServingMetrics &metrics, const SimulationResult &result) {
  Json json;
  json["requests"] = metrics.requests;
  json["refused"] = metrics.refused;
  json["input_tokens"] = toJson(metrics.inputTokens);
  json["output_tokens"] = toJson(metrics.outputTokens);
  json["ttft_ms"] = toJson(metrics.ttftMs);
  json["tpot_ms"] = toJson(metrics.tpotMs);
  json["inter_token_ms"] = toJson(metrics.interTokenMs);
  json["e2e_ms"] = toJson(metrics.e2eMs);
  json["largest_gap_ms"] = toJson(metrics.largestGapMs);
  json["max_gap_ms"] = rounded(metrics.maxGapMs);
  json["output_tokens_per_s"] = rounded(metrics.outputTokensPerS);
  json["output_tokens_per_s_per_request"] = rounded(metrics.outputTokensPerSPerRequest);
  json["requests_per_s"] = rounded(metrics.requestsPerS);
  json["elapsed_s"] = rounded(metrics.elapsedS);
  json["step_ms"] = rounded(metrics.stepMs);
  json["step_batch"] = metrics.stepBatch;
  json["host_bound_share"] = rounded(metrics.hostBoundShare);
  json["collective_skew_us"] = toJson(metrics.skewUs);
  json["counters"] = toJson(result.counters, result.blocks);
  return json;
}

} // namespace vinci
