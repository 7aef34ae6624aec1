// Compares what a model needs with what a checkpoint holds, and reports every difference at once.
#pragma once

#include "runtime/plan/plan.h"
#include "runtime/weights/checkpoint.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vinci {

/// A tensor that must be in the checkpoint.
struct RequiredTensor {
  std::string name;
  std::vector<uint64_t> shape;
};

/// The checkpoint tensors that `plan` packs: stacks written out, each once, in the order of the
/// plan.
std::vector<RequiredTensor> requiredTensors(const fb::Plan &plan);

/// Throws one Error that lists all tensors that are missing, surplus, misshapen or of a dtype Vinci
/// cannot convert (the first ten of each, and how many there are). Surplus is allowed for what
/// checkpoints carry without meaning: rotary `inv_freq` tables, and `lm_head.weight` if it is not
/// required (the head is tied to the embedding).
void checkWeights(std::span<const RequiredTensor> required, const Checkpoint &checkpoint);
void checkWeights(const Plan &plan, const Checkpoint &checkpoint);

} // namespace vinci
