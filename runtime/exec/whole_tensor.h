// A tensor put together from what the ranks of a plan have of it, and how far two such are apart.
#pragma once

#include "runtime/exec/plan_tensors.h"
#include "runtime/plan/mesh.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vinci {

/// Element by element. An element that is the same on both sides (infinite, or no number, too) has
/// no error; one that is a number on one side only has an infinite one.
struct TensorError {
  double max = 0, mean = 0;
  double largest = 0; ///< magnitude in the first tensor, of its finite elements
  bool sameBits = true;

  /// The largest error against the largest magnitude.
  double relative() const;
};

/// Ranks that should have the same values and do not.
struct ReplicaError {
  uint32_t rank = 0, other = 0;
  TensorError error;
};

struct WholeTensor {
  uint64_t rows = 0, columns = 0;
  uint32_t parts = 1; ///< that `columns` were put together from: the last may be padded
  std::vector<double> values;
  std::optional<ReplicaError> replicas; ///< the first pair of ranks that do not agree
};

/// `tensor`, of TensorForm::Plain, with `rows` rows; `ofRanks` is where the values of each rank
/// are.
WholeTensor gatherTensor(const PlanTensor &tensor, const Mesh &mesh, uint64_t rows,
                         std::span<const void *const> ofRanks);

/// nullopt if the tensors have different shapes, beyond the padding of a last part.
std::optional<TensorError> errorBetween(const WholeTensor &a, const WholeTensor &b);
TensorError errorBetween(std::span<const float> a, std::span<const float> b);

} // namespace vinci
