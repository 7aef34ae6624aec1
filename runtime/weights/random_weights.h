// Made-up weights in place of a checkpoint's, for measuring speed: true shapes, no files.
#pragma once

#include "runtime/plan/plan.h"
#include "runtime/weights/check_weights.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace vinci {

/// A tensor for each that the ranks of a plan pack, with values that keep activations finite:
///   matrices and biases         -0.035 to 0.035, as wide as the normal distribution of 0.02 that
///                               models are initialised with; int8: -127 to 127
///   norms                       ones
///   scales of int8 weights      0.035 / 127; of activations 0.05; their product where both count
///   input_offset, quant_bias    zeros
/// The rows of a matrix overlap in a small block of memory, so that a model of any size takes a few
/// MiB of it. The same seed gives the same values.
class RandomWeights {
public:
  RandomWeights(const fb::Plan &plan, uint64_t seed);

  /// Valid as long as this object is.
  const WeightSources &sources() const { return sources_; }

private:
  /// Elements that tensors are cut out of. Without a constant they are drawn.
  const std::byte *block(DType dtype, std::optional<float> constant);

  const uint64_t seed_;
  uint64_t elements_ = 0; ///< of each block
  std::map<std::pair<DType, std::optional<float>>, std::vector<std::byte>> blocks_;
  std::deque<TensorView> tensors_; ///< sources point to them
  WeightSources sources_;
};

} // namespace vinci
