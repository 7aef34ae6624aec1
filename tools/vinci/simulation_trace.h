// A simulation as a timeline in the JSON that Perfetto and chrome://tracing open.
#pragma once

#include "runtime/clock/plan_step_timer.h"
#include "runtime/serving/simulation.h"
#include "tools/vinci/trace_events.h"

namespace vinci {

/// A process for each rank's device: its steps, what its host launches, and of the first steps every
/// kernel on its stream, with a counter of what lies in L2. The first device of a data-parallel
/// group has counters of the group's sequences and KV blocks. "requests" has each from sending to
/// its last token.
class SimulationTrace {
public:
  /// `clock` and `timer` must outlive it.
  SimulationTrace(const PlanClock &clock, const PlanStepTimer &timer, uint32_t stepsWithKernels);

  void add(const SimulatedStep &step);
  /// Adds the requests, and writes the file at `path`. Throws Error if it cannot.
  void write(const std::string &path, const SimulationResult &result);

private:
  void addCounters(const SimulatedStep &step);
  void addKernels(const SimulatedStep &step);
  void addRequests(const SimulationResult &result);
  void addNames();

  const PlanClock &clock_;
  const PlanStepTimer &timer_;
  const uint32_t stepsWithKernels_;
  std::vector<uint32_t> groups_;     ///< by rank: its data-parallel group
  std::vector<uint32_t> firstRanks_; ///< by group
  uint64_t steps_ = 0;
  TraceEvents events_;
};

} // namespace vinci
