// What each fusion and each setting of a deployment is worth: the same load, one thing changed.
#pragma once

#include "tools/vinci/served_plan.h"

namespace vinci {

struct AblationRequest {
  std::string model;
  std::vector<std::string> set;
  CompileFlags compile;
  std::string device, stack;
  LoadSettings load;
  std::optional<Routing> routing;
  bool tokens = true; ///< run the model, if its weights are there, and compare what it generates
};

/// baseline: the figures as asked for. ablation: a row for each fusion, graph mode, collective
/// engine, prefetch, asynchronous scheduling and binding, turned the other way, and for all of them
/// off and on; figures, and differences to the baseline in percent. A row `tokens` says whether
/// the model generated the same ids ("16 of 16 the same"), that the plan is the same, or why
/// it was not run. without_effect: what changed no byte of the plan, or no figure.
/// `progress(done, total)` is called before each row.
Report ablate(const AblationRequest &request,
              const std::function<void(uint64_t, uint64_t)> &progress);

} // namespace vinci
