// What benchmarks of servers print: the two tables of MindIE's benchmark, and evalscope's summary
// of `evalscope perf`. For fitting a stack's constants to a run that was measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vinci {

/// A run as its table tells it.
struct MeasuredRun {
  std::string file;
  std::string format; ///< "mindie" or "evalscope"
  uint64_t requests = 0;
  uint64_t concurrency = 0;
  double elapsedS = 0;
  double ttftMs = 0;     ///< mean
  double tokenGapMs = 0; ///< mindie: mean of all gaps; evalscope: of the requests' means
  /// Distributions as runtime/support/lengths.h spells them, with the table's mean where its other
  /// figures allow that.
  std::string inputTokens, outputTokens;
  double outputTokensPerS = 0;
  std::optional<double> decodeBatch; ///< mindie: sequences per step
};

/// Reads the tables in `text`, rows of cells between bars, whatever stands around them. Throws
/// Error with the place: no table, a row that is missing or too short, a value that is no number,
/// has another unit or cannot be, requests that failed.
MeasuredRun parseResultTable(const std::string &text, const std::string &fileName);
MeasuredRun readResultTable(const std::string &path);

} // namespace vinci
