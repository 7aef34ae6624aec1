#include "runtime/serving/metrics.h"

#include <algorithm>

namespace vinci {

Distribution distributionOf(const Samples &samples) {
  Distribution result;
  result.count = samples.count();
  if (result.count == 0)
    return result;
  result.mean = samples.mean();
  result.p50 = samples.percentile(0.5);
  result.p75 = samples.percentile(0.75);
  result.p90 = samples.percentile(0.9);
  result.p99 = samples.percentile(0.99);
  result.max = samples.max();
  return result;
}

static constexpr double ms = 1e-6;

ServingMetrics measure(const SimulationResult &result) {
  ServingMetrics metrics;
  Samples inputs, outputs, first, perToken, endToEnd, largest;
  double tokens = 0, speeds = 0;
  for (const SimulatedRequest &request : result.requests) {
    if (request.refused) {
      ++metrics.refused;
      continue;
    }
    ++metrics.requests;
    tokens += request.outputTokens;
    inputs.add(request.inputTokens);
    outputs.add(request.outputTokens);
    first.add(double(request.firstTokenNs - request.sentNs) * ms);
    endToEnd.add(double(request.lastTokenNs - request.sentNs) * ms);
    if (request.outputTokens < 2)
      continue;
    const double gaps = request.outputTokens - 1;
    const auto decoding = double(request.lastTokenNs - request.firstTokenNs);
    perToken.add(decoding / gaps * ms);
    largest.add(double(request.largestGapNs) * ms);
    speeds += gaps / (decoding * 1e-9);
  }
  metrics.inputTokens = distributionOf(inputs);
  metrics.outputTokens = distributionOf(outputs);
  metrics.ttftMs = distributionOf(first);
  metrics.tpotMs = distributionOf(perToken);
  metrics.interTokenMs = distributionOf(result.gapsNs.map([](double ns) { return ns * ms; }));
  metrics.e2eMs = distributionOf(endToEnd);
  metrics.largestGapMs = distributionOf(largest);
  metrics.maxGapMs = metrics.interTokenMs.max;
  metrics.elapsedS = double(result.elapsedNs) * 1e-9;
  if (result.elapsedNs > 0) {
    metrics.outputTokensPerS = tokens / metrics.elapsedS;
    metrics.requestsPerS = double(metrics.requests) / metrics.elapsedS;
  }
  if (perToken.count() > 0)
    metrics.outputTokensPerSPerRequest = speeds / double(perToken.count());
  // Of batches that are equally frequent, the largest.
  uint64_t most = 0;
  for (size_t batch = 0; batch < result.steadyDecodes.size(); ++batch) {
    const SimulationResult::Steady &steady = result.steadyDecodes[batch];
    if (steady.steps == 0 || steady.steps < most)
      continue;
    most = steady.steps;
    metrics.stepBatch = uint32_t(batch);
    metrics.stepMs = double(steady.ns) / double(steady.steps) * ms;
  }
  metrics.skewUs = distributionOf(result.skewsNs.map([](double ns) { return ns * 1e-3; }));
  if (result.busyNs > 0)
    metrics.hostBoundShare = std::max(0.0, 1 - double(result.deviceNs) / double(result.busyNs));
  return metrics;
}

} // namespace vinci
