// The tensors of a checkpoint by their Hugging Face names, in whatever type they are stored.
#pragma once

#include "runtime/reference/matrix.h"
#include "runtime/reference/reference_config.h"
#include "runtime/weights/check_weights.h"
#include "runtime/weights/checkpoint.h"

#include <string>

namespace vinci {

/// The tensors of a model's checkpoint, layer by layer: the embedding, the layers, the last norm
/// and, unless it is tied, the head.
std::vector<RequiredTensor> requiredTensors(const ReferenceConfig &config);

class ReferenceWeights {
public:
  /// Throws Error if the checkpoint is not that of such a model: checkWeights.
  ReferenceWeights(const ReferenceConfig &config, Checkpoint checkpoint);

  /// A tensor of floats (and input_offset, which may be stored as int8) in float32.
  Matrix floats(const std::string &name) const;
  /// A tensor of int8 or int32.
  IntMatrix integers(const std::string &name) const;

private:
  Checkpoint checkpoint_;
  WeightSources sources_;
};

} // namespace vinci
