#include "runtime/exec/comparison.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

namespace {

struct Property {
  const char *name;
  uint64_t a, b;
};

void requireSameModel(const Plan &a, const Plan &b) {
  const fb::Model &first = *a.root()->model(), &second = *b.root()->model();
  if (first.architecture()->string_view() != second.architecture()->string_view())
    fail("A ({}) is a {}, B ({}) a {}; only plans of one model can be compared", a.name(),
         first.architecture()->string_view(), b.name(), second.architecture()->string_view());
  const Property properties[] = {
      {"vocab_size", first.vocab_size(), second.vocab_size()},
      {"hidden_size", first.hidden_size(), second.hidden_size()},
      {"num_hidden_layers", first.num_hidden_layers(), second.num_hidden_layers()},
      {"num_key_value_heads", first.num_key_value_heads(), second.num_key_value_heads()}};
  for (const auto &[name, mine, other] : properties)
    if (mine != other)
      fail("A ({}) has {} {}, B ({}) has {}; only plans of one model can be compared", a.name(),
           name, mine, b.name(), other);
}

/// Of a type that a plan computes or keeps weights in.
double toleranceOf(fb::DType type) {
  switch (type) {
  case fb::DType::BFloat16:
    return 5e-2;
  case fb::DType::Float16:
    return 1e-2;
  case fb::DType::Int8:
    return 2e-2;
  case fb::DType::Float32:
  case fb::DType::Int32:
    return 1e-4;
  }
  return 0;
}

} // namespace

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
    : models_{&a, &b}, tolerance_(tolerance) {
  requireSameModel(a.plan(), b.plan());
}

std::span<const float> Comparison::step(EntryKind kind, const StepInputs &a, const StepInputs &b) {
  taken_.clear();
  const std::span<const float> logits = runSide(SideA, kind, a);
  const std::span<const float> others = runSide(SideB, kind, b);
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
  record(tensor, errorBetween(logits, others));
  ++step_;
  return logits;
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
