// `explore`: the programs that a search is over, compiled, and the report of
// runtime/prediction/exploration.h.
#pragma once

#include "tools/vinci/model_source.h"
#include "tools/vinci/report.h"
#include "tools/vinci/subject.h"

namespace vinci {

/// What is combined. Empty lists are filled in.
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

/// The model that is explored. Throws Error if the request names something else, like a plan.
Source exploredModel(const ExploreRequest &request);

/// configurations, programs, refused (by reason), fit, within_objectives; front: rows with estimate
/// and simulation; recommended, if a rate is asked for. Each distinct program is compiled once,
/// without kernels. Throws Error if the request is not legal or nothing fits.
Report explorationReport(
    const ExploreRequest &request,
    const std::function<void(const char *what, uint64_t done, uint64_t total)> &progress);

} // namespace vinci
