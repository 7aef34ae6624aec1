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

void requireSameModel(const fb::Model &a, const fb::Model &b) {
  if (a.architecture()->string_view() != b.architecture()->string_view())
    fail("A is a {} and B a {}; only plans of one model can be compared",
         a.architecture()->string_view(), b.architecture()->string_view());
  auto require = [](const char *name, uint64_t ofA, uint64_t ofB) {
    if (ofA != ofB)
      fail("A has {} {} and B {}; only plans of one model can be compared", name, ofA, ofB);
  };
  require("vocab_size", a.vocab_size(), b.vocab_size());
  require("hidden_size", a.hidden_size(), b.hidden_size());
  require("num_hidden_layers", a.num_hidden_layers(), b.num_hidden_layers());
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
