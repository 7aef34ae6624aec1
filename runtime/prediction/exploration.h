// A search over programs and knobs of serving: every combination of a compiled program (degrees,
// quantisation) with batch, chunk and graph mode, for one load on one kind of device.
//
// Each combination is estimated in closed form (runtime/serving/steady_state.h); those that end up
// on the front are simulated request by request.
#pragma once

#include "runtime/prediction/served_plan.h"
#include "runtime/serving/steady_state.h"

namespace vinci {

/// A compiled combination of degrees and quantisation, for the smallest steps.
struct ExploredProgram {
  int64_t tp = 1, ep = 1;
  std::string quant;
  ServingSettings settings;
  const Plan *plan = nullptr;
  StackProfile stack;
  /// Of activations in a step of so many tokens and sequences.
  std::function<uint64_t(uint64_t tokens, uint64_t sequences)> activationBytes;
};

struct ExplorationRequest {
  std::vector<int64_t> batch, chunk;
  std::vector<std::string> graphMode;
  uint32_t inputTokens = 0, outputTokens = 0;
  std::optional<double> ttftMs, tpotMs; ///< means that must be kept
  std::optional<double> rate;           ///< requests per second: recommend the fewest devices
  uint64_t seed = 0;
  uint64_t rows = 20; ///< of the front, at most
};

/// One combination and what it comes to.
struct Candidate {
  int64_t tp = 1, ep = 1, batch = 1, chunk = 1;
  std::string quant, graphMode;
  size_t program = 0;
  uint32_t clients = 0; ///< that the batch and the KV cache hold; 0: not even one
  SteadyState estimate = {};

  double tokensPerSPerDevice() const { return estimate.outputTokensPerS / double(tp); }
};

/// Those of `candidates` that no other beats in time per token and in tokens per second and device,
/// by rising time per token. Of equals, the first.
std::vector<Candidate> paretoFront(std::vector<Candidate> candidates);

struct ExplorationRow {
  Candidate candidate;
  ServingMetrics simulated;
};

/// The fewest devices that serve a rate, as instances that share it.
struct Recommendation {
  ExplorationRow row;
  int64_t instances = 1;
  double requestsPerS = 0; ///< of an instance
};

struct ExplorationResult {
  size_t configurations = 0, fit = 0, withinObjectives = 0, frontSize = 0;
  std::vector<ExplorationRow> front; ///< evenly along it, both ends included
  std::optional<Recommendation> recommended;
};

/// Throws Error if nothing fits, or nothing keeps the objectives; `refused` is why programs were
/// not compiled, for its message.
ExplorationResult
explore(const ExplorationRequest &request, const std::vector<ExploredProgram> &programs,
        const CostModel &costs, const std::string &refused,
        const std::function<void(const char *what, uint64_t done, uint64_t total)> &progress);

} // namespace vinci
