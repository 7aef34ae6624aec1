// What `vinci bench` has measured, as JSON, text or Markdown.
#pragma once

#include "runtime/bench/op_times.h"
#include "tools/vinci/report.h"

#include <string>
#include <vector>

namespace vinci {

/// A test with all its repetitions.
struct BenchResult {
  BenchTest test;
  std::vector<BenchRun> runs;
  std::vector<OpTimes> ops; ///< empty: they were not measured
};

/// What is the same for all tests.
struct BenchContext {
  std::string model, dtype, cpu; ///< of the plan
  uint32_t ranks = 1, threads = 1;
  std::string readMethod, multiplyInstructions, int8Instructions; ///< the last: empty without int8
  std::string device; ///< whose times are predicted; empty: nobody's
};

/// An array with an object for each test; docs/user-guide.md lists the members.
Report benchReport(const std::vector<BenchResult> &results, const BenchContext &context);

/// The same as tables, in Markdown or aligned for a terminal.
void printBenchTables(const Report &report, bool markdown);

} // namespace vinci
