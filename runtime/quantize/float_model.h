// The float weights of a model after changes that leave its function as it is: norms folded into
// the linears that follow, another basis of the residual stream, another basis of values and
// attention outputs.
#pragma once

#include "runtime/reference/reference_weights.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vinci {

/// Multiplies a row by a matrix, in place.
using RowMap = std::function<void(std::span<double> row)>;
/// The same for the head_dim values of one KV head in one layer.
using HeadMap = std::function<void(std::span<double> values, uint64_t layer, uint64_t kvHead)>;

struct FloatChanges {
  /// RMSNorm weights of the residual stream become ones, and what reads their outputs takes them.
  bool foldNorms = false;
  /// By an orthogonal matrix; needs foldNorms, as only a norm without weights does not mind. Empty:
  /// none.
  RowMap residual;
  /// v by a matrix A, and o_proj, for every query head that reads it, by the inverse of A
  /// transposed. Both empty: none.
  HeadMap value, output;
  /// The weights that a folded norm gets in place of ones, by its name ("model.norm"); what reads
  /// its output is divided by them. Needs foldNorms. Empty: ones.
  std::function<std::vector<float>(const std::string &norm)> normWeights = {};
  /// A tied head becomes a matrix of its own, equal to the embedding: quantised, it is another.
  bool untieHead = false;
};

/// QuaRot: norms folded, the residual stream and the values of each head rotated.
FloatChanges quarot(const ReferenceConfig &config, uint64_t seed);

class FloatModel {
public:
  /// `config` says nothing quantised. Throws Error if the checkpoint does not fit.
  FloatModel(ReferenceConfig config, Checkpoint checkpoint, FloatChanges changes);

  /// What the changed model is: without a tied head if norms are folded, because then the head is
  /// another matrix than the embedding, or if the changes untie it.
  const ReferenceConfig &config() const { return config_; }
  /// True if the checkpoint's head is tied and that of the changed model is not.
  bool headWasUntied() const { return headIsTied_ && !config_.tieWordEmbeddings; }
  /// A tensor of the changed model (requiredTensors of config()).
  Matrix tensor(const std::string &name) const;

private:
  Matrix readsStream(Matrix weight, const std::string &norm) const;
  Matrix linear(uint64_t layer, const std::string &prefix, const std::string &path,
                const std::string &name) const;

  ReferenceConfig config_;
  bool headIsTied_; ///< in the checkpoint
  ReferenceWeights weights_;
  FloatChanges changes_;
};

} // namespace vinci
