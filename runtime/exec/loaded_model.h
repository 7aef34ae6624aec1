// A plan made ready to run on a simulated device: kernels linked, memory allocated, every operand
// of every command resolved to an address.
#pragma once

#include "runtime/device/device.h"
#include "runtime/exec/step_runner.h"
#include "runtime/plan/plan.h"
#include "runtime/weights/pack.h"

#include <cstdint>
#include <memory>

namespace vinci {

struct LoadOptions {
  uint32_t threads = 0;           ///< 0: one per processor
  uint64_t deviceMemoryBytes = 0; ///< capacity of the device; 0: the host's physical memory
};

class LoadedModel final : public StepRunner {
public:
  /// Throws Error if the processor lacks a feature that the kernels use, a kernel cannot be linked,
  /// or weights, KV cache and activations do not fit into the device.
  LoadedModel(Plan plan, Pack pack, const LoadOptions &options = {});
  ~LoadedModel() override;

  const ModelLimits &limits() const override;
  /// Checks its inputs: see checkStepInputs. Allocates nothing after the first step of each kind.
  std::span<const float> step(EntryKind kind, const StepInputs &inputs) override;

  const Plan &plan() const;
  const Pack &pack() const;
  uint32_t threads() const;
  MemoryUse memoryUse() const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace vinci
