// The virtual clock of `vinci run`: what the same steps, with their real lengths and experts, would
// take on an NPU, beside what they took here.
#pragma once

#include "runtime/clock/step_recorder.h"
#include "runtime/serving/engine.h"
#include "tools/vinci/report.h"
#include "tools/vinci/simulation_setup.h"

#include <memory>
#include <optional>
#include <string>

namespace vinci {

struct ClockFlags {
  std::string clock;  ///< on or off; empty: on for an NPU
  std::string device; ///< a shipped specification or FILE.yaml; empty: the deployment's target
  std::string trace;  ///< file; empty: none
  uint32_t traceSteps = 4;
};
/// Adds --clock, --device, --trace and --trace-steps.
void addClockFlags(CLI::App &command, ClockFlags &flags);

/// Whose time the run is told in; nullopt: nobody's. Throws Error where the clock is asked for and
/// there is no device, and for flags without a clock.
std::optional<DeviceSpec> clockDevice(const ClockFlags &flags, const DeploymentSpec &deployment);

class RunClock {
public:
  /// `plan` must outlive it. Collectives, prefetch and launches are the deployment's, as for
  /// `vinci simulate`. Throws Error if the plan has no costs or does not fit the device.
  RunClock(const Plan &plan, const DeviceSpec &device, const DeploymentSpec &deployment);

  /// Times what was recorded, once the run is over.
  void finish(const StepRecorder &recorder);

  /// prefill_ms, decode_ms, tokens_per_s: as `timing` has them, by the virtual clock; what the
  /// serving stack does between steps is in it, as in `vinci simulate`.
  Report timing(const Result &result) const;
  /// Of the whole run: device, stack, steps, virtual time with the stack's gaps and without, device
  /// and host time, measured time of the same steps.
  Report summary() const;
  /// That as a line on stderr.
  void print() const;
  /// Steps by both clocks, kernels of the first `kernelSteps`, requests. Throws Error if it cannot.
  void writeTrace(const std::string &path, uint32_t kernelSteps,
                  std::span<const Result> results) const;

private:
  double admittedAt(const RequestSteps &steps) const;

  const CostModel costs_;
  const PlanClock clock_;
  const StackProfile stack_;
  const LaunchPolicy policy_;
  const ServingGap gap_;
  const StepRecorder *recorder_ = nullptr;
  std::optional<VirtualRun> run_;
};

} // namespace vinci
