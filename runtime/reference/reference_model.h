// The forward pass of the supported models, as slow and as obvious as it can be: what a plan is
// compared with.
#pragma once

#include "runtime/reference/ops.h"
#include "runtime/reference/reference_weights.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vinci {

/// What the pass computed, under the name that plan_tensors.h has for it: "embed_tokens", "norm",
/// and of each layer "input_layernorm", "q_proj", "q_norm" where the family has it, "q_norm.rope"
/// or "q_proj.rope" (k alike), "v_proj", "attention", "o_proj", "o_proj.sum",
/// "post_attention_layernorm", and
///   without experts   "gate_proj", "gate_proj.silu", "up_proj", "gate_proj.swiglu", "down_proj",
///                     "down_proj.sum"
///   with experts      "router", "router.moe_route" (weights), "router.moe_route.1" (experts),
///                     "down_proj.moe_combine", "down_proj.moe_combine.sum"
/// The last of a layer is the residual stream after it.
struct ReferenceTensor {
  std::string name;
  int32_t layer = -1; ///< -1: outside the decoder layers
  Matrix values;      ///< a row for each token
};

/// The closest call of all routers: how much more probable the last expert that a token chose was
/// than the first that it did not.
struct RouterMargin {
  double probability = 0;
  uint64_t layer = 0, token = 0;
};

struct ReferencePass {
  std::vector<ReferenceTensor> tensors;     ///< in the order in which they were computed
  Matrix logits;                            ///< [tokens, vocab]
  std::optional<RouterMargin> routerMargin; ///< nullopt: no token had a choice of experts

  /// Null if there is none.
  const Matrix *find(std::string_view name, int32_t layer) const;
};

class ReferenceModel {
public:
  /// Throws Error if the checkpoint does not fit. Weights are read when they are used, and again
  /// each time.
  ReferenceModel(ReferenceConfig config, Checkpoint checkpoint);

  const ReferenceConfig &config() const { return config_; }
  /// The whole sequence at once, from position 0 on; nothing is kept for the next. `ids` are in the
  /// vocabulary.
  ReferencePass forward(std::span<const int32_t> ids) const;

private:
  ReferenceConfig config_;
  ReferenceWeights weights_;
};

} // namespace vinci
