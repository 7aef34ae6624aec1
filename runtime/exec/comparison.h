// Two plans of one model, or the reference and a plan, on the same inputs: which tensor is the
// first that differs, and by how much.
#pragma once

#include "runtime/exec/loaded_model.h"
#include "runtime/exec/whole_tensor.h"
#include "runtime/reference/reference_model.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vinci {

enum Side : uint32_t { SideA, SideB };

/// A tensor that both sides have, in one step.
struct ComparedTensor {
  uint32_t step = 0;
  PlanTensor tensor;  ///< as B has it
  TensorError error;  ///< of B against A
  bool within = true; ///< the tolerance
};

/// A tensor that should be the same on some ranks of one side, and is not.
struct ReplicaFinding {
  Side side = SideA;
  uint32_t step = 0;
  PlanTensor tensor;
  ReplicaError replicas;
};

/// What of a side was not compared, counted over steps and layers.
struct NotCompared {
  uint64_t unmatched = 0;   ///< the other side has no such tensor, or one of another shape
  uint64_t partialSums = 0; ///< TensorForm; what a collective makes of them is compared
  uint64_t byExpert = 0;    ///< TensorForm
  uint64_t otherOrder = 0;  ///< TensorForm
  std::set<std::string> unmatchedNames;
};

/// The relative error that may come from rounding in another order: 1e-4, or more if either plan
/// computes in 16 bits or with weights of 8.
double defaultTolerance(const fb::Plan &a, const fb::Plan &b);

/// Throws Error if A and B cannot be plans of one model.
void requireSameModel(const fb::Model &a, const fb::Model &b);
/// Throws Error if `plan` cannot be a plan of the reference's model.
void requireSameModel(const ReferenceConfig &reference, const fb::Model &plan);

class Comparison {
public:
  /// Of one model: requireSameModel. Both must outlive the comparison.
  Comparison(LoadedModel &a, LoadedModel &b, double tolerance);
  /// Of a plan with what the reference computes.
  Comparison(LoadedModel &b, double tolerance);

  /// Runs one step of A, keeping its tensors, then of B, comparing. The logits are those of A.
  std::span<const float> step(EntryKind kind, const StepInputs &a, const StepInputs &b);
  /// Runs one step of B, comparing with `a`: the pass over the sequence that the step's tokens are
  /// the end of.
  void step(EntryKind kind, const ReferencePass &a, const StepInputs &b);

  /// In the order in which B computes them; each step ends with "logits", what rank 0 returns.
  const std::vector<ComparedTensor> &tensors() const { return tensors_; }
  const std::vector<ReplicaFinding> &replicas() const { return replicas_; }
  const NotCompared &notCompared(Side side) const { return notCompared_[side]; }
  /// The first beyond the tolerance; null: there is none.
  const ComparedTensor *firstBeyond() const;

private:
  struct Taken {
    PlanTensor tensor;
    WholeTensor whole;
    bool compared = false;
  };

  std::span<const float> runSide(Side side, EntryKind kind, const StepInputs &inputs);
  void runB(EntryKind kind, const StepInputs &inputs, std::span<const float> logitsOfA);
  void take(Side side, const PlanTensor &tensor, const TracedCommand &command);
  void compare(const PlanTensor &tensor, const WholeTensor &b);
  void record(const PlanTensor &tensor, const TensorError &error);
  void leaveOut(Side side, const PlanTensor &tensor);

  LoadedModel *models_[2]; ///< A is null: the reference
  double tolerance_;
  uint32_t step_ = 0;
  std::map<std::string, Taken> taken_; ///< A's tensors of this step, by key
  std::vector<ComparedTensor> tensors_;
  std::vector<ReplicaFinding> replicas_;
  NotCompared notCompared_[2];
};

} // namespace vinci
