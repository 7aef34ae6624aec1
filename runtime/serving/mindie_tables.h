// A simulation in the two tables of MindIE's benchmark, with its rows, columns and definitions.
//
// All waits, gaps and batches are pooled over requests or steps as there: DecodeTime is over all
// gaps, its SLO_P90 over the requests' mean gaps; PrefillBatchsize and DecoderBatchsize are over
// steps; QueueWaitTime is over scheduled tokens; percentiles interpolate linearly; N is the number
// of requests. What a simulation does not have (text, accuracy, the date) is "/".
#pragma once

#include "runtime/serving/simulation.h"

#include <optional>
#include <string>
#include <vector>

namespace vinci {

struct MindieTableOptions {
  std::optional<uint64_t> concurrency; ///< of a closed loop
  std::string modelName = "/";
  std::string dataSource = "/";
  double tokenizerMs = 0; ///< per request
  double detokenizerMsPerToken = 0;
  std::optional<double> charactersPerToken;
};

/// Rows of cells, the heading first.
using Table = std::vector<std::vector<std::string>>;

/// Metric, average, max, min, P75, P90, SLO_P90, P99, N.
Table mindieTable(const SimulationResult &result, const MindieTableOptions &options);
/// Common Metric, Value.
Table mindieCommonTable(const SimulationResult &result, const MindieTableOptions &options);

/// As text, with columns of equal width between bars.
std::string render(const Table &table);

} // namespace vinci
