#include "runtime/clock/step_recorder.h"

#include <algorithm>
#include <chrono>

namespace vinci {

static double nowUs() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

StepRecorder::StepRecorder(StepRunner &model) : model_(model), beginUs_(nowUs()) {}

static StepRecord recordOf(EntryKind kind, const StepInputs &inputs) {
  StepRecord record;
  for (size_t i = 0; i < inputs.contextLens.size(); ++i) {
    const auto added = uint64_t(inputs.queryStart[i + 1] - inputs.queryStart[i]);
    record.addSequence(added, uint64_t(inputs.contextLens[i]) - added);
  }
  record.logitRows =
      kind == EntryKind::Prefill ? inputs.logitIndices.size() : inputs.tokenIds.size();
  return record;
}

static StepRecord recordOf(EntryKind kind, std::span<const StepInputs> groups) {
  const auto attended = [](const StepRecord &record) {
    return record.decodeKvTokens + record.prefillPairs;
  };
  StepRecord most;
  uint64_t tokens = 0, sequences = 0, logitRows = 0;
  for (const StepInputs &inputs : groups) {
    const StepRecord record = recordOf(kind, inputs);
    if (attended(record) > attended(most))
      most = record;
    tokens = std::max(tokens, record.tokens);
    sequences = std::max(sequences, record.sequences);
    logitRows = std::max(logitRows, record.logitRows);
  }
  most.tokens = tokens;
  most.sequences = sequences;
  most.logitRows = logitRows;
  return most;
}

std::span<const std::span<const float>>
StepRecorder::stepGroups(EntryKind kind, std::span<const StepInputs> groups) {
  const double start = nowUs();
  const std::span<const std::span<const float>> logits = model_.stepGroups(kind, groups);
  Step &step = steps_.emplace_back();
  step.entry = kind;
  step.startUs = start - beginUs_;
  step.measuredUs = nowUs() - start;
  step.record = vinci::recordOf(kind, groups);
  step.firstHit = hits_.size();
  const std::span<const uint32_t> hit = model_.expertsHit();
  hits_.insert(hits_.end(), hit.begin(), hit.end());
  return logits;
}

StepRecord StepRecorder::recordOf(size_t index, const LaunchPolicy &policy) const {
  StepRecord record = steps_[index].record;
  record.mode = policy.modeOf(steps_[index].entry == EntryKind::Decode, record.tokens);
  const size_t end = index + 1 < steps_.size() ? steps_[index + 1].firstHit : hits_.size();
  record.expertsHit = {hits_.data() + steps_[index].firstHit, end - steps_[index].firstHit};
  return record;
}

/// A stack that plans ahead plans step i while step i - 1 runs, when it knows the tokens of step
/// i - 2.
VirtualRun::VirtualRun(const StepRecorder &recorder, const PlanClock &clock,
                       const LaunchPolicy &policy, const ServingGap &gap) {
  TimeMemo memo;
  const size_t ahead = gap.plansAhead ? 2 : 1;
  for (size_t i = 0; i < recorder.steps().size(); ++i) {
    const EntryKind entry = recorder.steps()[i].entry;
    const StepRecord record = recorder.recordOf(i, policy);
    StepTimes &times = times_.emplace_back(clock.time(entry, record, &memo));
    times.hostUs =
        policy.hostUs(times, times.hostUs, record.mode, entry == EntryKind::Decode);
    const double free = i == 0 ? 0 : ends_.back();
    begins_.push_back(std::max(free, i < ahead ? 0 : known_[i - ahead]));
    ends_.push_back(begins_.back() + std::max(times.deviceUs + policy.idleUs, times.hostUs));
    known_.push_back(std::max(i == 0 ? 0 : known_.back(), ends_.back()) + gap.us);
  }
}

} // namespace vinci
