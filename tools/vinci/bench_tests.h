// Which tests `vinci bench` runs, and the limits that a model is compiled with for them.
#pragma once

#include "runtime/bench/step_bench.h"
#include "tools/vinci/compile_options.h"
#include "tools/vinci/model_source.h"

#include <optional>
#include <vector>

namespace vinci {

/// Lists of numbers; 0 stands for none. Absent: what is usual, as far as the model allows it.
struct BenchTestFlags {
  std::optional<std::vector<int64_t>> prompts, decodes, batches, depths;
};
/// Adds -p, -n, -b and -d.
void addBenchTestFlags(CLI::App &command, BenchTestFlags &flags);

struct ChosenTest {
  BenchTest test;
  bool wanted = false; ///< by a flag: it is an error if it cannot run
};
/// In the order prompts, decodes, depths, batches. Throws Error for a number that is no size.
std::vector<ChosenTest> chosenTests(const BenchTestFlags &flags);

/// Sets limits that were not given to what the tests need. Tests that were not asked for and are
/// longer than the model's rotary table are dropped, with a word on stderr.
void setLimits(const Source &model, std::vector<ChosenTest> &tests, CompileFlags &flags);

/// Drops tests that were not asked for and do not fit, with a word on stderr. Throws Error for one
/// that was asked for, and if none is left.
std::vector<BenchTest> fittingTests(std::vector<ChosenTest> tests, const ModelLimits &limits,
                                    const std::string &origin);

} // namespace vinci
