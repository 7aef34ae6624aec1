#include "runtime/exec/comparison.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

namespace {

/// Of a type that a plan computes or keeps weights in.
double toleranceOf(fb::DType type) {
  switch (type) {
  case fb::DType::BFloat16:
    return 5e-2;
  case fb::DType::Float16:
    return 1e-2;
  case fb::DType::Int8: // a step of a coarse scale
    return 1e-1;
  case fb::DType::Float32:
  case fb::DType::Int32:
    return 1e-4;
  }
  return 0;
}

} // namespace

namespace {

/// What the plans of a model have in common, and what messages call the side.
struct Identity {
  const char *side;
  std::string_view architecture;
  uint64_t vocabSize, hiddenSize, layers;
};

Identity identityOf(const char *side, const fb::Model &model) {
  return {side, model.architecture()->string_view(), model.vocab_size(), model.hidden_size(),
          model.num_hidden_layers()};
}

void requireSame(const Identity &a, const Identity &b, const char *legal) {
  if (a.architecture != b.architecture)
    fail("{} is a {} and {} a {}; {}", a.side, a.architecture, b.side, b.architecture, legal);
  auto require = [&](const char *name, uint64_t ofA, uint64_t ofB) {
    if (ofA != ofB)
      fail("{} has {} {} and {} {}; {}", a.side, name, ofA, b.side, ofB, legal);
  };
  require("vocab_size", a.vocabSize, b.vocabSize);
  require("hidden_size", a.hiddenSize, b.hiddenSize);
  require("num_hidden_layers", a.layers, b.layers);
}

} // namespace

void requireSameModel(const fb::Model &a, const fb::Model &b) {
  requireSame(identityOf("A", a), identityOf("B", b), "only plans of one model can be compared");
}

void requireSameModel(const ReferenceConfig &reference, const fb::Model &plan) {
  requireSame({"the reference", reference.architecture, reference.vocabSize, reference.hiddenSize,
               reference.numHiddenLayers},
              identityOf("the plan", plan), "it must be the plan's model");
}

double defaultTolerance(const fb::Plan &a, const fb::Plan &b) {
  double tolerance = 0;
  for (const fb::Plan *plan : {&a, &b}) {
    for (const fb::Buffer *buffer : *plan->buffers())
      tolerance = std::max(tolerance, toleranceOf(buffer->dtype()));
    for (const fb::Weight *weight : *plan->weights())
      tolerance = std::max(tolerance, toleranceOf(weight->dtype()));
  }
  return tolerance;
}

Comparison::Comparison(LoadedModel &a, LoadedModel &b, double tolerance)
    : models_{&a, &b}, tolerance_(tolerance) {}

Comparison::Comparison(LoadedModel &b, double tolerance)
    : models_{nullptr, &b}, tolerance_(tolerance) {}

std::span<const float> Comparison::step(EntryKind kind, const StepInputs &a, const StepInputs &b) {
  taken_.clear();
  const std::span<const float> logits = runSide(SideA, kind, a);
  runB(kind, b, logits);
  return logits;
}

/// The last `count` rows: those of the tokens of a step.
static WholeTensor lastRows(const Matrix &matrix, uint64_t count) {
  WholeTensor whole;
  whole.rows = count;
  whole.columns = matrix.columns;
  whole.values.assign(matrix.values.end() - ptrdiff_t(count * matrix.columns), matrix.values.end());
  return whole;
}

void Comparison::step(EntryKind kind, const ReferencePass &a, const StepInputs &b) {
  taken_.clear();
  const uint64_t tokens = b.tokenIds.size();
  const uint64_t withLogits = kind == EntryKind::Prefill ? b.logitIndices.size() : tokens;
  for (const ReferenceTensor &tensor : a.tensors) {
    PlanTensor named;
    named.name = tensor.name;
    named.layer = tensor.layer;
    const bool isLastNorm = tensor.layer < 0 && tensor.name == "norm";
    taken_.insert_or_assign(
        named.key(), Taken{named, lastRows(tensor.values, isLastNorm ? withLogits : tokens)});
  }
  runB(kind, b, std::span(a.logits.values).last(withLogits * a.logits.columns));
}

void Comparison::runB(EntryKind kind, const StepInputs &inputs, std::span<const float> logitsOfA) {
  const std::span<const float> logits = runSide(SideB, kind, inputs);
  for (const auto &[key, taken] : taken_)
    if (!taken.compared) {
      ++notCompared_[SideA].unmatched;
      notCompared_[SideA].unmatchedNames.insert(taken.tensor.name);
    }
  PlanTensor tensor =
      tensorsOf(*models_[SideB]->plan().root(), *models_[SideB]->plan().entry(toString(kind)))
          .back()
          .back();
  tensor.name = "logits";
  tensor.layer = -1;
  record(tensor, errorBetween(logitsOfA, logits));
  ++step_;
}

std::span<const float> Comparison::runSide(Side side, EntryKind kind, const StepInputs &inputs) {
  LoadedModel &model = *models_[side];
  const auto tensors = tensorsOf(*model.plan().root(), *model.plan().entry(toString(kind)));
  return model.tracedStep(kind, inputs, [&](const TracedCommand &command) {
    for (const PlanTensor &tensor : tensors[command.ordinal])
      take(side, tensor, command);
  });
}

void Comparison::take(Side side, const PlanTensor &tensor, const TracedCommand &command) {
  if (tensor.form != TensorForm::Plain)
    return leaveOut(side, tensor);
  std::vector<const void *> ofRanks;
  for (uint32_t rank = 0; rank < command.ranks.size(); ++rank)
    ofRanks.push_back(command.output(rank, tensor.output));
  WholeTensor whole = gatherTensor(tensor, Mesh(*models_[side]->plan().root()),
                                   tensor.rows.in(command.dims()), ofRanks);
  if (whole.replicas)
    replicas_.push_back({side, step_, tensor, *whole.replicas});
  if (side == SideA)
    taken_.insert_or_assign(tensor.key(), Taken{tensor, std::move(whole)});
  else
    compare(tensor, whole);
}

void Comparison::leaveOut(Side side, const PlanTensor &tensor) {
  NotCompared &counts = notCompared_[side];
  ++(tensor.form == TensorForm::PartialSum ? counts.partialSums
     : tensor.form == TensorForm::ByExpert ? counts.byExpert
                                           : counts.otherOrder);
}

void Comparison::compare(const PlanTensor &tensor, const WholeTensor &b) {
  const auto found = taken_.find(tensor.key());
  const auto error = found == taken_.end() ? std::nullopt : errorBetween(found->second.whole, b);
  if (!error) {
    ++notCompared_[SideB].unmatched;
    notCompared_[SideB].unmatchedNames.insert(tensor.name);
    return;
  }
  found->second.compared = true;
  record(tensor, *error);
}

void Comparison::record(const PlanTensor &tensor, const TensorError &error) {
  // Integers are choices: there is no rounding that would excuse another one.
  const bool within =
      tensor.dtype == DType::Int32 ? error.sameBits : error.relative() <= tolerance_;
  tensors_.push_back({step_, tensor, error, within});
}

const ComparedTensor *Comparison::firstBeyond() const {
  const auto found = std::ranges::find(tensors_, false, &ComparedTensor::within);
  return found == tensors_.end() ? nullptr : &*found;
}

} // namespace vinci
