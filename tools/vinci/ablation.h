// `simulate --ablate`: a model compiled without each fusion, its tokens where the weights are, and
// the report of runtime/prediction/ablation.h.
#pragma once

#include "tools/vinci/report.h"
#include "tools/vinci/subject.h"

namespace vinci {

struct AblationArguments {
  std::string model;
  CompileFlags compile;
  std::string device, stack;
  LoadSettings load; ///< its files need not have been read
  std::optional<Routing> routing;
  bool tokens = true; ///< run the model, if its weights are there, and compare what it generates
};

/// baseline: the figures as asked for. ablation: a row for each change, with figures and
/// differences to the baseline in percent. A row's `tokens` says whether the model generated the
/// same ids ("16 of 16 the same"), that the plan is the same, or why it was not run.
/// without_effect: what changed no byte of the plan, or no figure. `progress(done, total)` is
/// called before each row.
Report ablationReport(const AblationArguments &arguments,
                      const std::function<void(uint64_t, uint64_t)> &progress);

} // namespace vinci
