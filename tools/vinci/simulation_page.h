// A simulation as one HTML page without anything from outside: a step's time, its roofline,
// throughput and latency, and what each fusion and setting is worth.
#pragma once

#include "tools/vinci/served_plan.h"

namespace vinci {

/// `ablation` is that of `ablate`, empty for a plan.
std::string simulationPage(const ServedPlan &plan, const Served &served, const LoadSettings &load,
                           const Report &ablation);

} // namespace vinci
