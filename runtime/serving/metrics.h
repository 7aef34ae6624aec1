// What a simulation says about serving, in the terms of the field.
#pragma once

#include "runtime/serving/simulation.h"

#include <nlohmann/json.hpp>

namespace vinci {

/// Of samples; all 0 if there are none.
struct Distribution {
  uint64_t count = 0;
  double mean = 0, p50 = 0, p75 = 0, p90 = 0, p99 = 0, max = 0;
};

Distribution distributionOf(const Samples &samples);

/// Over the requests that were served.
struct ServingMetrics {
  uint64_t requests = 0, refused = 0;
  Distribution inputTokens, outputTokens; ///< after truncation; as many as were generated
  Distribution ttftMs;                    ///< from sending to the first token
  Distribution tpotMs;       ///< a request's mean gap, of requests with two tokens or more
  Distribution interTokenMs; ///< all gaps together
  Distribution e2eMs;        ///< from sending to the last token
  Distribution largestGapMs; ///< a request's, of requests with two tokens or more
  double maxGapMs = 0;       ///< of all gaps
  double outputTokensPerS = 0;
  double outputTokensPerSPerRequest = 0; ///< mean of (n - 1) / (last token - first token)
  double requestsPerS = 0;
  double elapsedS = 0;
  /// From step to step while nothing but decoding happens, at the batch that most steps have; the
  /// serving gap is in it unless it is hidden. 0 if there were no such steps.
  double stepMs = 0;
  uint32_t stepBatch = 0;
  double hostBoundShare = 0; ///< of the busy time: the device waits for the host
  Distribution skewUs;       ///< how long after the first rank the last one comes, by step
};

ServingMetrics measure(const SimulationResult &result);

/// input_tokens, output_tokens, ttft_ms, tpot_ms, inter_token_ms, e2e_ms, largest_gap_ms,
/// collective_skew_us: {mean, p50, p75, p90, p99, max}, null without samples; max_gap_ms,
/// output_tokens_per_s, …: numbers; counters: what the scheduler counted. Numbers have at most 6
/// decimals.
nlohmann::ordered_json toJson(const ServingMetrics &metrics, const SimulationResult &result);

} // namespace vinci
