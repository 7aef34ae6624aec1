// Entries: the step's inputs and outputs, the calls and their bindings, and what each call finds in
// the arena.
#include "runtime/plan/verify_internal.h"

#include <array>
#include <set>

namespace vinci::planverify {
namespace {

using State = BodyEffect::State;

} // namespace

std::vector<ExpectedTensor> expectedInputs(const fb::Plan &plan) {
  uint64_t blockSize = plan.kv_cache()->block_size();
  uint64_t blocksPerSequence = (plan.limits()->max_seq_len() + blockSize - 1) / blockSize;
  const fb::Dim tokens(fb::Symbol::Tokens, 1), sequences(fb::Symbol::Sequences, 1);
  const auto constant = [](uint64_t value) { return fb::Dim(fb::Symbol::One, value); };
  using fb::DType;
  return {
      {"token_ids", DType::Int32, {tokens}},
      {"positions", DType::Int32, {tokens}},
      {"slot_mapping", DType::Int32, {tokens}},
      {"query_start", DType::Int32, {constant(uint64_t(plan.limits()->max_batch()) + 1)}},
      {"context_lens", DType::Int32, {sequences}},
      {"block_tables", DType::Int32, {sequences, constant(blocksPerSequence)}},
      {"logit_indices", DType::Int32, {fb::Dim(fb::Symbol::LogitRows, 1)}},
  };
}

namespace {

/// decode and score give a row per token, prefill one per logit index. Where rows of logits have a
/// limit of their own, those of all are counted as such.
std::vector<ExpectedTensor> expectedOutputs(const fb::Plan &plan, std::string_view entry) {
  fb::Symbol rows = entry == "prefill" || plan.limits()->max_logit_rows() != 0
                        ? fb::Symbol::LogitRows
                        : fb::Symbol::Tokens;
  return {{"logits",
           fb::DType::Float32,
           {fb::Dim(rows, 1), fb::Dim(fb::Symbol::One, plan.model()->vocab_size())}}};
}

void verifyTensors(const Context &context,
                   const flatbuffers::Vector<flatbuffers::Offset<fb::StepTensor>> *tensors,
                   const std::vector<ExpectedTensor> &expected, const std::string &where,
                   std::string_view what) {
  context.require(tensors, where, fmt::format("{}s", what));
  if (tensors->size() != expected.size())
    context.fail(where, "has {} {}s, expected {}", tensors->size(), what, expected.size());
  for (uint32_t i = 0; i < expected.size(); ++i) {
    const fb::StepTensor *tensor = tensors->Get(i);
    std::string tensorWhere = fmt::format("{}, {} {}", where, what, i);
    std::string_view name = context.requireName(tensor->name(), tensorWhere, "name");
    if (name != expected[i].name)
      context.fail(tensorWhere, "is {}, expected '{}'", quote(name), expected[i].name);
    tensorWhere = fmt::format("{} {}", tensorWhere, quote(name));
    context.bytesAtLimits(tensor->dims(), tensor->dtype(), tensorWhere);
    bool same =
        tensor->dtype() == expected[i].dtype && tensor->dims()->size() == expected[i].dims.size();
    for (uint32_t d = 0; same && d < expected[i].dims.size(); ++d)
      same = tensor->dims()->Get(d)->symbol() == expected[i].dims[d].symbol() &&
             tensor->dims()->Get(d)->scale() == expected[i].dims[d].scale();
    if (!same)
      context.fail(tensorWhere, "has another dtype or other dims than docs/plan-format.md says");
  }
}

void verifyBindings(const Context &context, const fb::Call *call, const BodyEffect &effect,
                    const std::string &where) {
  const fb::Body *body = context.plan.bodies()->Get(call->body());
  const auto *bindings = context.require(call->bindings(), where, "bindings");
  if (bindings->size() != body->parameters()->size())
    context.fail(where, "has {} bindings, body {} has {} parameters", bindings->size(),
                 quote(body->name()->string_view()), body->parameters()->size());
  std::set<uint32_t> layers;
  for (uint32_t i = 0; i < bindings->size(); ++i) {
    const fb::Binding *binding = bindings->Get(i);
    std::string bindingWhere = fmt::format("{}, binding of parameter {}", where,
                                           quote(body->parameters()->Get(i)->string_view()));
    context.requireEnum(binding->kind(), bindingWhere, "kind");
    if (binding->kind() == fb::BindingKind::Nothing) {
      if (effect.parameterUsers[i] != BodyEffect::none)
        context.fail(bindingWhere, "is nothing, but command {} of the body needs it",
                     effect.parameterUsers[i]);
      context.requireRange(binding->index(), 0, 0, bindingWhere, "the index of nothing");
      continue;
    }
    bool isCache = binding->kind() == fb::BindingKind::KvCache;
    if (isCache && effect.parameterPrefetches[i] != BodyEffect::none)
      context.fail(bindingWhere, "is a KV cache, but command {} of the body prefetches it",
                   effect.parameterPrefetches[i]);
    uint32_t count = isCache ? context.plan.kv_cache()->layers() : context.plan.weights()->size();
    if (binding->index() >= count)
      context.fail(bindingWhere, "names {} {}, there are {}",
                   isCache ? "the KV cache of layer" : "weight", binding->index(), count);
    // Two names for one cache would hide from the ordering check that they are one.
    if (isCache && !layers.insert(binding->index()).second)
      context.fail(bindingWhere, "the KV cache of layer {} is bound twice", binding->index());
    if (!isCache && effect.parameterWriters[i] != BodyEffect::none)
      context.fail(bindingWhere, "is weight {}, but command {} of the body writes it",
                   binding->index(), effect.parameterWriters[i]);
  }
}

/// What the arena holds between the calls of one entry.
class Arena {
public:
  explicit Arena(size_t buffers)
      : states_(buffers, State::Untouched), clobberedBy_(buffers, BodyEffect::none) {}

  void run(const Context &context, const BodyEffect &effect, uint32_t body,
           const std::string &where) {
    for (const BodyEffect::Need &need : effect.needs) {
      if (states_[need.buffer] == State::Written)
        continue;
      std::string read =
          fmt::format("{}: {} reads {}", where, commandWhere(context.plan, body, need.command),
                      bufferWhere(context.plan, need.buffer));
      if (states_[need.buffer] == State::Untouched)
        context.fail(read, "nothing has written it in this step");
      context.fail(read, "{} has overwritten it",
                   bufferWhere(context.plan, clobberedBy_[need.buffer]));
    }
    for (size_t i = 0; i < states_.size(); ++i)
      if (effect.states[i] != State::Untouched) {
        states_[i] = effect.states[i];
        clobberedBy_[i] = effect.clobberedBy[i];
      }
  }

private:
  std::vector<State> states_;
  std::vector<uint32_t> clobberedBy_;
};

void verifyCalls(const Context &context, const fb::Entry *entry,
                 std::span<const BodyEffect> effects, const std::string &where) {
  const auto *calls = context.require(entry->calls(), where, "calls");
  context.requireRange(calls->size(), 1, maxCallsPerEntry, where, "the number of calls");
  Arena arena(context.plan.buffers()->size());
  bool writesOutput = false;
  uint64_t bindings = 0;
  for (uint32_t i = 0; i < calls->size(); ++i) {
    const fb::Call *call = calls->Get(i);
    std::string callWhere = fmt::format("{}, call {}", where, i);
    if (call->body() >= effects.size())
      context.fail(callWhere, "names body {}, the plan has {}", call->body(), effects.size());
    int64_t layers = context.plan.model()->num_hidden_layers();
    if (call->layer() < -1 || call->layer() >= layers)
      context.fail(callWhere, "layer is {}, legal are -1 to {}", call->layer(), layers - 1);
    const BodyEffect &effect = effects[call->body()];
    verifyBindings(context, call, effect, callWhere);
    bindings += call->bindings()->size();
    context.requireRange(bindings, 0, maxBindingsPerEntry, where, "the number of bindings");
    arena.run(context, effect, call->body(), callWhere);
    writesOutput |= effect.writesOutput;
  }
  if (!writesOutput)
    context.fail(where, "no command writes the logits");
}

} // namespace

void verifyEntries(const Context &context, std::span<const BodyEffect> effects) {
  const auto *entries = context.require(context.plan.entries(), "plan", "entries");
  std::set<std::string_view> names;
  const std::set<std::string_view> expected = {"prefill", "decode", "score"};
  for (uint32_t i = 0; i < entries->size(); ++i) {
    const fb::Entry *entry = entries->Get(i);
    std::string_view name = context.requireName(entry->name(), fmt::format("entry {}", i), "name");
    std::string where = fmt::format("entry {}", quote(name));
    if (!expected.contains(name))
      context.fail(where, "is unknown, a plan has prefill, decode and score");
    if (!names.insert(name).second)
      context.fail(where, "exists twice");
    verifyTensors(context, entry->inputs(), expectedInputs(context.plan), where, "input");
    verifyTensors(context, entry->outputs(), expectedOutputs(context.plan, name), where, "output");
    verifyCalls(context, entry, effects, where);
  }
  for (std::string_view name : expected)
    if (!names.contains(name))
      context.fail("entries", "there is no entry '{}'", name);
}

} // namespace vinci::planverify
