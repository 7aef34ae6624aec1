#include "tools/compiler/graphs.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace vinci {
namespace {

StreamDemand streamDemandOf(const ModelSpec &spec, const DeploymentSpec &deployment,
                            const ParallelDegrees &degrees, bool multistream) {
  const DeploymentSpec::Execution &execution = deployment.execution;
  const bool isRecipe = deployment.scheduler.policy.valueOr("") == "recipe";
  const bool aiv = execution.collectiveEngine.valueOr(isRecipe ? "aiv" : "host") == "aiv";
  // Streams of its own count as a group more where vector cores run the collectives, else not.
  return {.layers = uint32_t(spec.numHiddenLayers),
          .groups = uint32_t(degrees.attentionTp > 1) +
                    uint32_t(degrees.world > degrees.attentionTp) + uint32_t(multistream && aiv),
          .expertParallel = spec.moe.has_value() && degrees.world > degrees.moeTp,
          .experts = spec.moe.has_value(),
          .aiv = aiv};
}

/// Where a setting was said; what flags say has no place.
template <typename T> SourcePosition placeOf(const Setting<T> &setting) {
  return setting.origin.file == "--set" ? SourcePosition{} : setting.origin;
}

/// The deployment's own sizes, in order, without those that no step can have.
std::vector<uint32_t> sizesOf(const Setting<std::vector<int64_t>> &said, GraphMode mode,
                              const Limits &limits, Findings &findings) {
  const bool onlyDecodes = captureOfPrefills(mode) == CaptureForm::None;
  const int64_t most = onlyDecodes ? limits.maxBatch : limits.maxTokensPerStep;
  std::vector<uint32_t> sizes;
  for (int64_t size : *said) {
    if (size <= most)
      sizes.push_back(uint32_t(size));
    else
      findings.add(FindingKind::NoEffect, placeOf(said),
                   "no graph is captured for {}: a {} has at most {} tokens ({})", size,
                   onlyDecodes ? "decode" : "step", most,
                   onlyDecodes ? "max_batch" : "max_tokens_per_step");
  }
  std::ranges::sort(sizes);
  sizes.erase(std::ranges::unique(sizes).begin(), sizes.end());
  if (sizes.empty())
    fail(placeOf(said), "graph_batch_sizes has no size that a step can have; legal are 1 to {}",
         most);
  return sizes;
}

} // namespace

GraphCapture resolveGraphs(const ModelSpec &spec, const DeploymentSpec &deployment,
                           const Limits &limits, const ParallelDegrees &degrees, bool multistream,
                           Findings &findings) {
  const DeploymentSpec::Execution &execution = deployment.execution;
  const GraphMode mode = parseGraphMode(execution.graphMode.valueOr("none")).value();
  const auto &said = execution.graphBatchSizes;
  const bool saysSizes = said && !said->empty();
  if (mode == GraphMode::None) {
    if (saysSizes)
      findings.add(FindingKind::NoEffect, placeOf(said),
                   "graph_batch_sizes has no effect: graph_mode is none");
    return {};
  }
  GraphCapture graphs{mode, saysSizes ? sizesOf(said, mode, limits, findings)
                                      : defaultGraphSizes(mode, uint32_t(limits.maxBatch),
                                                          uint32_t(limits.maxTokensPerStep))};
  const uint32_t most =
      mostGraphSizes(mode, streamDemandOf(spec, deployment, degrees, multistream));
  if (graphs.sizes.size() <= most)
    return graphs;
  if (most == 0)
    fail(placeOf(execution.graphMode),
         "graph mode {} of {} layers takes more streams than the {} of a device for one batch "
         "size; full-decode-only takes one graph for each",
         toString(mode), spec.numHiddenLayers, usableStreams);
  const std::vector<uint32_t> fewer = thinned(graphs.sizes, most);
  if (saysSizes)
    fail(placeOf(said),
         "{} batch sizes are to be captured, but the streams of a device hold {} in graph mode {} "
         "with {} layers; --graph-batch-sizes {} fits, and full-decode-only takes one graph for "
         "each size",
         graphs.sizes.size(), most, toString(mode), spec.numHiddenLayers, fmt::join(fewer, ","));
  findings.add(FindingKind::Note, placeOf(execution.graphMode),
               "graphs are captured for {} of {} batch sizes, {}: the streams of a device hold no "
               "more in graph mode {} with {} layers",
               most, graphs.sizes.size(), fmt::join(fewer, ","), toString(mode),
               spec.numHiddenLayers);
  graphs.sizes = fewer;
  return graphs;
}

} // namespace vinci
