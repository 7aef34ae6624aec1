// A run of a real model, remembered step by step, and what it would have taken on an NPU. The steps
// are timed afterwards, so that a run is not disturbed.
#pragma once

#include "runtime/clock/plan_step_timer.h"
#include "runtime/exec/step_runner.h"

#include <vector>

namespace vinci {

/// Runs the steps of another runner.
class StepRecorder final : public StepRunner {
public:
  /// `model` must outlive it.
  explicit StepRecorder(StepRunner &model);

  const ModelLimits &limits() const override { return model_.limits(); }
  const GraphCapture &graphs() const override { return model_.graphs(); }
  std::span<const std::span<const float>> stepGroups(EntryKind kind,
                                                     std::span<const StepInputs> groups) override;
  std::span<const uint32_t> expertsHit() const override { return model_.expertsHit(); }

  struct Step {
    EntryKind entry = EntryKind::Decode;
    /// With the real lengths of the data-parallel group that attends to the most, and the rows of
    /// the one with the most, as all of them have; expertsHit and mode are not set.
    StepRecord record;
    size_t firstHit = 0;   ///< into the hits of all steps
    double startUs = 0;    ///< by this machine's clock, from the recorder's making
    double measuredUs = 0; ///< that the step took here
  };
  const std::vector<Step> &steps() const { return steps_; }
  /// Step number `index` as it is timed: with the experts that were really hit.
  StepRecord recordOf(size_t index, const LaunchPolicy &policy) const;

private:
  StepRunner &model_;
  const double beginUs_;
  std::vector<Step> steps_;
  std::vector<uint32_t> hits_;
};

/// What a serving stack does between steps: sampling, copies, bookkeeping.
struct ServingGap {
  double us = 0;
  bool plansAhead = false; ///< it passes beside the next step, which starts when the device is free
};

/// What the recorded steps take on the clock's device behind a serving stack, as a simulation of
/// the same steps has it (runtime/serving/simulation.h): a step's tokens are known when the gap
/// after it has passed.
class VirtualRun {
public:
  /// Throws Error if the device cannot run a command.
  VirtualRun(const StepRecorder &recorder, const PlanClock &clock, const LaunchPolicy &policy,
             const ServingGap &gap = {});

  size_t size() const { return times_.size(); }
  const StepTimes &step(size_t index) const { return times_[index]; }
  /// When step `index` begins and ends on the device, microseconds.
  double begin(size_t index) const { return begins_[index]; }
  double end(size_t index) const { return ends_[index]; }
  /// When the tokens of the first `steps` steps are known; 0: when the run begins.
  double known(size_t steps) const { return steps == 0 ? 0 : known_[steps - 1]; }

private:
  std::vector<StepTimes> times_;
  std::vector<double> begins_, ends_, known_;
};

} // namespace vinci
