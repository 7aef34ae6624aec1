#include "runtime/clock/plan_step_timer.h"

#include <cmath>

namespace vinci {

StepRecord PlanStepTimer::recordOf(const StepShape &shape) const {
  StepRecord record;
  for (const StepShape::Part &part : shape.prefills)
    record.addSequence(part.tokens, part.first);
  for (uint32_t context : shape.decodeContexts)
    record.addSequence(1, context - 1);
  const bool captured = shape.mode == StepMode::Decode &&
                        (policy_.largestGraph == 0 || record.sequences <= policy_.largestGraph);
  record.mode = captured ? policy_.decode : policy_.prefill;
  return record;
}

StepTime PlanStepTimer::time(const StepShape &shape) {
  const StepRecord record = recordOf(shape);
  const StepTimes times = clock_.time(entryOf(shape), record);
  const double hostUs = shape.mode != StepMode::Decode && policy_.prefillLaunchUs
                            ? *policy_.prefillLaunchUs * double(times.launches)
                            : times.hostUs;
  const uint64_t moved = (uint64_t(shape.swappedOutBlocks) + shape.swappedInBlocks) *
                         clock_.plan().root()->kv_cache()->bytes_per_block() *
                         clock_.plan().root()->kv_cache()->layers();
  const double copyUs = moved == 0 ? 0 : clock_.model().copy(double(moved)).us;
  return {std::llround((times.deviceUs + copyUs + policy_.idleUs) * 1e3),
          std::llround(hostUs * 1e3)};
}

} // namespace vinci
