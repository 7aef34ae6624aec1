// Compares what a model needs with what a checkpoint holds, reports every difference at once, and
// says where each tensor lies.
#pragma once

#include "runtime/plan/plan.h"
#include "runtime/weights/checkpoint.h"
#include "runtime/weights/tensor_slice.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

/// A tensor that must be in the checkpoint, by its Hugging Face name.
struct RequiredTensor {
  std::string name;
  std::vector<uint64_t> shape;
  DType dtype = DType::Float32; ///< what it is packed as
};

/// Where a required tensor lies.
struct WeightSource {
  const TensorView *tensor = nullptr; ///< of the checkpoint: it, or one that holds it
  TensorSlice slice;                  ///< a required tensor of shape [n] or [n, k] has n rows
};

/// By required name.
using WeightSources = std::map<std::string, WeightSource, std::less<>>;

/// The dtypes, as safetensors spells them, that `tensor` may have to be packed as `dtype`. Integers
/// must be those; floats may be any floats, and of the tensors of quantised linears also
///   *.input_offset  I8
///   *.deq_scale     I64, whose lower 32 bits are those of a float32
std::vector<std::string_view> readableDTypes(std::string_view tensor, DType dtype);

/// The tensors that the ranks of `plan` pack, whole: stacks written out, each once, in the order of
/// the plan. Throws Error if two weights give one tensor different shapes.
std::vector<RequiredTensor> requiredTensors(const fb::Plan &plan);

/// Finds all `required` tensors in a checkpoint of any naming (naming.h); the tensors that are
/// there tell which. Throws one Error that lists all that are missing, surplus, held twice, of
/// another shape or of a dtype that cannot be read (the first ten of each, and how many there
/// are), or one that names two tensors if the checkpoint mixes namings. Ones at the end of a shape
/// do not matter. Surplus is allowed for what checkpoints carry without meaning: rotary `inv_freq`
/// tables, `lm_head.weight` if it is not required (the head is tied to the embedding), and of a
/// quantised linear weight_offset if it is zero, and weight_scale and bias if deq_scale and
/// quant_bias hold them already.
WeightSources checkWeights(std::span<const RequiredTensor> required, uint64_t keyValueHeads,
                           const Checkpoint &checkpoint);

/// For all that the ranks of a plan pack. Also throws, naming both, if tensors differ that the plan
/// takes to be equal (Weight.equal).
WeightSources checkWeights(const Plan &plan, const Checkpoint &checkpoint);

/// A source for messages: `"model.norm_out.weight" for "model.norm.weight"`, or one name if they
/// are the same.
std::string describeSource(std::string_view tensor, std::string_view required);

} // namespace vinci
