// Compares what a model needs with what a checkpoint holds, and reports every difference at once.
#pragma once

#include "runtime/plan/plan.h"
#include "runtime/weights/checkpoint.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// A tensor that must be in the checkpoint.
struct RequiredTensor {
  std::string name;
  std::vector<uint64_t> shape;
  DType dtype = DType::Float32; ///< what it is packed as
};

/// The dtypes, as safetensors spells them, that `tensor` may have to be packed as `dtype`. Integers
/// must be those; floats may be any floats, and of the tensors of quantised linears also
///   *.input_offset  I8
///   *.deq_scale     I64, whose lower 32 bits are those of a float32
std::vector<std::string_view> readableDTypes(std::string_view tensor, DType dtype);

/// The checkpoint tensors that `plan` packs: stacks written out, each once, in the order of the
/// plan.
std::vector<RequiredTensor> requiredTensors(const fb::Plan &plan);

/// Throws one Error that lists all tensors that are missing, surplus, misshapen or of a dtype that
/// cannot be read (the first ten of each, and how many there are). Ones at the end of a shape do
/// not matter. Surplus is allowed for what checkpoints carry without meaning: rotary `inv_freq`
/// tables, `lm_head.weight` if it is not required (the head is tied to the embedding), and of a
/// quantised linear weight_offset if it is zero, and weight_scale and bias if deq_scale and
/// quant_bias hold them already.
void checkWeights(std::span<const RequiredTensor> required, const Checkpoint &checkpoint);
void checkWeights(const Plan &plan, const Checkpoint &checkpoint);

} // namespace vinci
