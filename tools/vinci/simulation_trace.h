// A simulation as a timeline in the JSON that Perfetto and chrome://tracing open.
#pragma once

#include "runtime/clock/plan_step_timer.h"
#include "runtime/serving/simulation.h"
#include "tools/vinci/trace_events.h"

namespace vinci {

/// Tracks: "device", with every step and, of the first ones, every kernel on its stream; "host",
/// what plans and launches; "requests", each from sending to its last token; counters of the batch.
class SimulationTrace {
public:
  /// `clock` and `timer` must outlive it.
  SimulationTrace(const PlanClock &clock, const PlanStepTimer &timer, uint32_t stepsWithKernels)
      : clock_(clock), timer_(timer), stepsWithKernels_(stepsWithKernels) {}

  void add(const SimulatedStep &step);
  /// Adds the requests, and writes the file at `path`. Throws Error if it cannot.
  void write(const std::string &path, const SimulationResult &result);

private:
  void addKernels(const SimulatedStep &step);

  const PlanClock &clock_;
  const PlanStepTimer &timer_;
  const uint32_t stepsWithKernels_;
  uint64_t steps_ = 0;
  TraceEvents events_;
};

} // namespace vinci
