// The search of `vinci explore`: every combination of degrees, quantisation, batch, chunk and graph
// mode for one model on one kind of device.
//
// Each distinct program (degrees, quantisation) is compiled once, without kernels. What is left are
// knobs of serving: each combination is estimated in closed form (runtime/serving/steady_state.h);
// those that end up on the front are simulated request by request.
#pragma once

#include "runtime/serving/steady_state.h"
#include "tools/vinci/served_plan.h"

namespace vinci {

/// What is combined. Empty lists are filled in by `explore`.
struct SearchSpace {
  std::vector<int64_t> tp; ///< ranks, all of which divide attention
  std::vector<int64_t> ep; ///< of them, among how many whole experts are distributed
  std::vector<int64_t> batch, chunk;
  std::vector<std::string> quant; ///< checkpoint, float, w8a8-dynamic
  std::vector<std::string> graphMode;
};

struct ExploreRequest {
  std::string model;
  std::vector<std::string> set;
  std::string target, passes, device, stack;
  SearchSpace space;
  int64_t maxDevices = 16; ///< of one instance, where `space.tp` is empty
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

/// configurations, programs, refused (by reason), fit, within_slo; front: rows with estimate and
/// simulation; recommended, if a rate is asked for. Throws Error if the request is not legal or
/// nothing fits.
Report
explore(const ExploreRequest &request,
        const std::function<void(const char *what, uint64_t done, uint64_t total)> &progress);

} // namespace vinci
