// Times of steps for the request level, from the virtual clock of a plan.
#pragma once

#include "runtime/clock/plan_clock.h"
#include "runtime/serving/step_timer.h"

#include <optional>

namespace vinci {

/// How a stack brings the kernels of a step to the device.
struct LaunchPolicy {
  LaunchMode prefill = LaunchMode::Eager; ///< of steps with prompts in them
  LaunchMode decode = LaunchMode::Graph;
  /// Decodes of more sequences are launched as prefills are: no graph was captured for them. 0: all
  /// are captured.
  uint32_t largestGraph = 0;
  /// Between the last kernel of a step and the first of the next, with async scheduling: what of
  /// the serving gap planning ahead cannot hide.
  double idleUs = 0;
  /// Host time of a launch in prefills, in place of the device spec's.
  std::optional<double> prefillLaunchUs;
};

class PlanStepTimer final : public StepTimer {
public:
  /// `clock` must outlive it.
  PlanStepTimer(const PlanClock &clock, const LaunchPolicy &policy)
      : clock_(clock), policy_(policy) {}

  StepTime time(const StepShape &shape) override;
  /// The step that is timed for such a shape, and the entry that runs it.
  StepRecord recordOf(const StepShape &shape) const;
  static EntryKind entryOf(const StepShape &shape) {
    return shape.mode == StepMode::Decode ? EntryKind::Decode : EntryKind::Prefill;
  }

private:
  const PlanClock &clock_;
  const LaunchPolicy policy_;
};

} // namespace vinci
