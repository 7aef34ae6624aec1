// A simulation as one HTML page without anything from outside: a step's time, its roofline,
// throughput and latency, and what each fusion and setting is worth.
#pragma once

#include "tools/vinci/served_report.h"
#include "tools/vinci/simulation_setup.h"

namespace vinci {

/// `ablation` is that of `ablate`, empty for a plan.
std::string
simulationPage(const ServedPlan &plan, const Served &served,
               const std::function<ServedLoad(uint64_t clients, uint64_t requests)> &load,
               const Report &ablation);

} // namespace vinci
