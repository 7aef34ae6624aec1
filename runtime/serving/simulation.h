// Requests in virtual time: a load, a scheduler and a timer of steps, as discrete events. The
// scheduler is the one that a server uses.
//
//   client ─ tokenizer ─ scheduler ─ step on the device ─ serving gap ─ tokens at the client
//
// A step occupies the device for StepTime::ns(). Its tokens are known after the serving gap
// (sampling, copies, bookkeeping), and without async scheduling the next step starts only then;
// with it, the host plans one step ahead and the gap hides behind the device. Times are integers;
// the same input gives the same result.
//
// Data-parallel groups have a scheduler and a KV cache each and step together, as their ranks meet
// at collectives. One that has nothing to compute runs the step on padding. A request goes to the
// group with the least to do, as vLLM counts it: four times those that wait and those that run.
#pragma once

#include "runtime/serving/load.h"
#include "runtime/serving/samples.h"
#include "runtime/serving/stack_profile.h"
#include "runtime/serving/step_timer.h"

#include <functional>
#include <string>
#include <vector>

namespace vinci {

struct SimulatedStep {
  std::span<const ScheduledStep> groups;       ///< of each data-parallel group, one at least
  std::span<Scheduler *const> schedulers = {}; ///< theirs, when the step has been planned
  StepTime time = {};                          ///< without jitter
  int64_t plannedNs = 0, startNs = 0, endNs = 0;
  std::span<const int64_t> hostDelaysNs = {}; ///< by rank; empty without jitter
};

/// How late the hosts of the ranks are. Each rank's delay in a step is exponentially distributed;
/// at the collectives all wait for the latest.
struct HostJitter {
  int64_t meanNs = 0; ///< of one rank; 0: none
  uint32_t ranks = 1;
  uint64_t seed = 0;
};

struct SimulationOptions {
  int64_t servingGapNs = 0;
  HostJitter jitter = {};
  int64_t tokenizerNs = 0; ///< per request
  uint32_t tokenizerProcesses = 1;
  uint32_t contextBucket = 32; ///< StepTimeCache
  bool keepTokens = false;     ///< SimulatedRequest::tokenNs
  bool keepEvents = false;     ///< SimulationResult::events
  /// Called for each step when it is planned; for traces. May be empty.
  std::function<void(const SimulatedStep &)> onStep;
};

/// The stack's gap and tokenizer.
SimulationOptions simulationOptions(const StackProfile &stack);

struct SimulatedRequest {
  int64_t sentNs = 0;
  int64_t submittedNs = 0; ///< at the scheduler
  uint32_t group = 0;      ///< that it was sent to
  int64_t firstTokenNs = 0, lastTokenNs = 0;
  int64_t lastGapNs = 0, largestGapNs = 0; ///< between tokens
  uint32_t inputTokens = 0;                ///< after truncation
  uint32_t outputTokens = 0;               ///< generated
  bool refused = false; ///< never served; everything but sentNs and submittedNs is 0
  std::vector<int64_t> tokenNs;

  bool operator==(const SimulatedRequest &) const = default;
};

struct SimulationResult {
  std::vector<SimulatedRequest> requests; ///< in the order of sending
  Samples gapsNs;                         ///< between a request's tokens, of all requests
  Samples queueWaitsNs;   ///< from a request's submission or last token until it is in a step
  Samples skewsNs;        ///< per step, from the first rank to the last; none without jitter
  Samples prefillBatches; ///< requests per step and group with prefills
  Samples decodeBatches;  ///< requests per step and group with decodes
  /// By decodes per step, of all groups together: steps that only decode and follow such a step without a pause, and the
  /// time from its end to theirs.
  struct Steady {
    uint64_t steps = 0;
    int64_t ns = 0;
  };
  std::vector<Steady> steadyDecodes;
  uint64_t steps = 0;
  int64_t elapsedNs = 0; ///< from the first request's sending to the last token
  int64_t busyNs = 0;    ///< of it with requests to serve and no pause
  int64_t deviceNs = 0;  ///< of it the device computes
  SchedulerCounters counters;  ///< of all groups together
  KvBlocks::Counters blocks;   ///< likewise; mostInUse is that of the group with the most
  std::string firstRefusal; ///< why; empty if nothing was refused
  std::vector<SchedulerEvent> events;
};

/// Serves the whole load. Schedulers must be idle and fresh, all of one kind; `load` is used up.
SimulationResult simulate(std::span<Scheduler *const> groups, Load &load, StepTimer &timer,
                          const SimulationOptions &options);
inline SimulationResult simulate(Scheduler &scheduler, Load &load, StepTimer &timer,
                                 const SimulationOptions &options) {
  Scheduler *const groups[] = {&scheduler};
  return simulate(groups, load, timer, options);
}

} // namespace vinci
