// Times of steps for the request level, from the virtual clock of a plan.
#pragma once

#include "runtime/clock/plan_clock.h"
#include "runtime/serving/step_timer.h"

#include <optional>
#include <vector>

namespace vinci {

/// Which end of the ranges of all constants; steps are slower at High.
enum class Estimate : uint8_t { Mean, Low, High };

/// How a stack brings the kernels of a step to the device.
struct LaunchPolicy {
  LaunchMode prefill = LaunchMode::Eager; ///< of steps with prompts in them
  LaunchMode decode = LaunchMode::Graph;
  /// Tokens that graphs are captured for, ascending: a step of fewer is padded to the next of them,
  /// one of more is launched op by op. Empty: all are captured as they are.
  std::vector<uint32_t> graphSizes = {};
  /// Between the last kernel of a step and the first of the next, with async scheduling: what of
  /// the serving gap planning ahead cannot hide.
  double idleUs = 0;
  /// Host time of a launch in prefills that are not captured, in place of the device spec's.
  std::optional<double> prefillLaunchUs = {};
  /// Host time for each attention of a captured step, whose lengths change: it is updated in a whole
  /// graph, launched between the pieces of another.
  double attentionUs = 0;
  /// Threads that launch what is not in a graph, each a group of kernels at a time.
  uint32_t dispatchThreads = 1, dispatchGroup = 1;
  double handoverUs = 0; ///< for each group, if there are several threads

  LaunchMode modeOf(bool onlyDecodes, uint64_t tokens) const {
    const LaunchMode mode = onlyDecodes ? decode : prefill;
    const bool isTooLarge = !graphSizes.empty() && tokens > graphSizes.back();
    return mode == LaunchMode::Graph && isTooLarge ? LaunchMode::Eager : mode;
  }
  /// Of a captured step, the tokens that its graph has.
  uint64_t paddedTokens(uint64_t tokens) const;
  /// Of `launches` that take `us` one after another.
  double dispatchedUs(uint64_t launches, double us) const;
  /// Of a step whose launches take `us` one after another by the device's constants.
  double hostUs(const StepTimes &times, double us, LaunchMode mode, bool onlyDecodes) const;
};

class PlanStepTimer final : public StepTimer {
public:
  /// `clock` must outlive it.
  PlanStepTimer(const PlanClock &clock, const LaunchPolicy &policy,
                Estimate estimate = Estimate::Mean)
      : clock_(clock), policy_(policy), estimate_(estimate) {}

  StepTime time(const StepShape &shape) override;
  /// The step that is timed for such a shape, padded as its graph is, and the entry that runs it.
  StepRecord recordOf(const StepShape &shape) const;
  static EntryKind entryOf(const StepShape &shape) {
    return shape.mode == StepMode::Decode ? EntryKind::Decode : EntryKind::Prefill;
  }

private:
  const PlanClock &clock_;
  const LaunchPolicy policy_;
  const Estimate estimate_;
};

} // namespace vinci
