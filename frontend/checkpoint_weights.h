// Which weights a model has: the one table of tensor names and shapes that the builder and the
// weight checks share.
//
// Names are those of a Hugging Face checkpoint. All linear weights are [out, in].
#pragma once

#include "frontend/model_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vinci {

/// One weight of a body: a tensor of the checkpoint, or a stack of them (the experts of a layer).
struct WeightSpec {
  std::string symbol; ///< "q_proj"; what belongs to it is "q_proj.bias", "q_proj.deq_scale", …
  std::string source; ///< "model.layers.{layer}.mlp.experts.{}.up_proj.weight"; `{}` is the index
                      ///< in the stack
  std::vector<int64_t> shape; ///< of one tensor
  int64_t stack = 0;          ///< tensors in the stack; 0 for a weight that is no stack
  std::optional<DType> dtype = std::nullopt; ///< where it is not that of the activations
  QuantScheme scheme = QuantScheme::Float;   ///< of its linear
  bool unread = false;                       ///< in the checkpoint, but no computation needs it
};

/// embed_tokens, norm, its bias if there is one (norm.bias), and, unless it is tied, lm_head, with
/// what belongs to its scheme.
std::vector<WeightSpec> modelWeights(const ModelSpec &spec);

/// The weights of a decoder layer, in the order of their use. A quantised linear of n outputs has,
/// beside its int8 weight [n, k],
///   W8A8           input_scale [1] and input_offset [1], float32: those of the activations;
///                  quant_bias [n], int32: bias / deq_scale - input_offset * the sum of the row;
///                  deq_scale [n], float32: input_scale * the weight's scale
///   W8A8_DYNAMIC   weight_scale [n, 1], float32; weight_offset [n, 1], zeros and unread; its bias
///   W8A16          the same
/// Norms that have a bias have it behind their weight, as "input_layernorm.bias".
std::vector<WeightSpec> layerWeights(const ModelSpec &spec, const LayerKind &kind);

struct ExpectedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  std::optional<DType> dtype = std::nullopt; ///< where it is not that of the activations
  bool unread = false;
};

/// Every tensor of the checkpoint, layer by layer: `model.embed_tokens.weight`, the layers,
/// `model.norm.weight`, `lm_head.weight`.
std::vector<ExpectedTensor> expectedTensors(const ModelSpec &spec);

/// Tensors and elements of the checkpoint, in floating point so that no hostile config overflows
/// them: exact below 2^53. What belongs to a quantised weight is in `tensors` and `bytes` only.
struct CheckpointSize {
  double tensors = 0;
  double parameters = 0;
  double bytes = 0; ///< of what computations read, in spec.dtype where no other type is said
  double largestWeight = 0; ///< elements of the largest weight; a stack counts as one
  double activeParameters =
      0; ///< used for one token: num_experts_per_tok of num_experts, everything else whole
};
CheckpointSize checkpointSize(const ModelSpec &spec);

/// Why a model is larger than Vinci reads: the key of config.json to blame (empty: no single one),
/// and a message with the limit.
struct SizeProblem {
  std::string key;
  std::string message;
};
std::optional<SizeProblem> findSizeProblem(const ModelSpec &spec);

} // namespace vinci
