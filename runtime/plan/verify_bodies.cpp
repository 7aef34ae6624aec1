// Commands: do they name what exists, and do their waits order every use of the same memory?
//
// One pass in command order. For each command the set of commands that must have finished before it
// (`ancestors`) is the union over its waits; each buffer keeps the sets of commands that read and
// wrote it so far. An access is safe if every earlier conflicting one, of any buffer that shares
// bytes, is an ancestor. At the same time the pass follows the contents: a buffer holds its own
// data from the command that writes it until another buffer's bytes overwrite it.
#include "runtime/plan/collectives.h"
#include "runtime/plan/command_set.h"
#include "runtime/plan/verify.h"
#include "runtime/plan/verify_internal.h"

#include <algorithm>

namespace vinci::planverify {
namespace {

/// Who has read and written one resource so far.
struct Uses {
  CommandSet readers, writers;
};

class BodyVerifier {
public:
  BodyVerifier(const Context &context, uint32_t index, const Overlaps &overlaps, uint64_t &work)
      : context_(context), index_(index), body_(*context.plan.bodies()->Get(index)),
        overlaps_(overlaps), work_(work) {}

  BodyEffect run();

private:
  const std::string &where() const { return where_; }
  void verifyOperand(const fb::Operand &operand);
  void verifyTiles(const fb::TileRule &tiles);
  void verifyCollectiveCommand(const fb::Command &command, const fb::Kernel &kernel);
  void verifyPrefetchCommand(const fb::Command &command);
  void verifyInPlace(const fb::Command &command, const fb::Kernel &kernel);
  void read(const fb::Operand &operand);
  void write(const fb::Operand &operand);
  void record(const fb::Operand &operand, bool written);
  template <typename Describe>
  void requireAfter(const CommandSet &earlier, std::string_view what, Describe describe);
  const fb::Operand &operand(const fb::Command &command, uint32_t i) const {
    return *body_.operands()->Get(command.operand_first() + i);
  }
  std::string buffer(uint32_t index) const { return bufferWhere(context_.plan, index); }
  std::string parameter(uint32_t index) const {
    return fmt::format("parameter {}", quote(body_.parameters()->Get(index)->string_view()));
  }

  const Context &context_;
  uint32_t index_;
  const fb::Body &body_;
  const Overlaps &overlaps_;
  uint64_t &work_;

  uint32_t command_ = 0;
  std::string where_; ///< of the command, for messages
  std::vector<CommandSet> ancestors_;
  std::vector<Uses> buffers_, parameters_, outputs_;
  CommandSet collectives_;
  std::vector<bool> needed_; ///< buffers that are in effect_.needs
  BodyEffect effect_;
};

void BodyVerifier::verifyOperand(const fb::Operand &operand) {
  context_.requireEnum(operand.space(), where(), "the space of an operand");
  uint32_t count = 0;
  const char *what = "";
  switch (operand.space()) {
  case fb::Space::Arena:
    count = context_.plan.buffers()->size(), what = "buffer";
    break;
  case fb::Space::Input:
    count = stepInputs, what = "step input";
    break;
  case fb::Space::Output:
    count = stepOutputs, what = "step output";
    break;
  case fb::Space::Constant:
    count = context_.plan.constants()->size(), what = "constant";
    break;
  case fb::Space::Parameter:
    count = body_.parameters()->size(), what = "parameter";
    break;
  }
  if (operand.index() >= count)
    context_.fail(where(), "an operand names {} {}, there are {}", what, operand.index(), count);
}

void BodyVerifier::verifyTiles(const fb::TileRule &tiles) {
  context_.requireEnum(tiles.symbol(), where(), "the symbol of the tile rule");
  if (tiles.scale() == 0 || tiles.row_block() == 0 || tiles.columns() == 0)
    context_.fail(where(), "the tile rule has scale {}, row_block {} and columns {}, none may be 0",
                  tiles.scale(), tiles.row_block(), tiles.columns());
  std::optional<uint64_t> rows =
      checkedMul(tiles.scale(), symbolLimit(*context_.plan.limits(), tiles.symbol()));
  std::optional<uint64_t> count;
  if (rows)
    count = checkedMul((*rows + tiles.row_block() - 1) / tiles.row_block(), tiles.columns());
  if (!count || *count > maxTiles)
    context_.fail(where(), "the tile rule makes more than {} tiles at the plan's limits", maxTiles);
}

/// Its operands are as large as it takes at the limits, and it comes after every collective before.
void BodyVerifier::verifyCollectiveCommand(const fb::Command &command, const fb::Kernel &kernel) {
  const fb::Collective &collective = *kernel.collective();
  for (CollectiveOperand which : {Receive, Send}) {
    // What computes first meets with what it has written.
    const bool written = which == Receive || computesFirst(kernel);
    const fb::Operand &used = operand(command, written ? Receive : Send);
    const char *what = which == Receive ? "receives into" : "sends from";
    uint64_t bytes = 0;
    fb::DType dtype = fb::DType::Float32;
    std::string name = "the step output";
    const fb::Limits &limits = *context_.plan.limits();
    if (used.space() == fb::Space::Arena) {
      const fb::Buffer *found = context_.plan.buffers()->Get(used.index());
      bytes = found->bytes();
      dtype = found->dtype();
      name = buffer(used.index());
    } else if (used.space() == fb::Space::Output && written) {
      // verify_entries.cpp knows whether logits of this size are legal.
      bytes = checkedMul(symbolLimit(limits, fb::Symbol::LogitRows),
                         context_.plan.model()->vocab_size())
                  .value_or(maxSize) *
              sizeof(float);
    } else if (used.space() == fb::Space::Input && !written) {
      const ExpectedTensor input = expectedInputs(context_.plan)[used.index()];
      name = input.name;
      dtype = input.dtype;
      bytes = byteSize(toDType(dtype));
      for (const fb::Dim &dim : input.dims)
        bytes *= dim.scale() * symbolLimit(limits, dim.symbol());
    } else {
      context_.fail(where(), "{} {} what is {}; legal are buffers of the arena and step {}",
                    kernel.op()->string_view(), what, fb::EnumNameSpace(used.space()),
                    written ? "outputs" : "inputs");
    }
    if (dtype != collective.dtype())
      context_.fail(where(), "{} of {} {} {}, which is {}", kernel.op()->string_view(),
                    toString(toDType(collective.dtype())), what, name, toString(toDType(dtype)));
    const uint64_t needed = collectiveBytes(context_.plan, collective, which);
    if (bytes < needed)
      context_.fail(where(), "{} {} {} of {} bytes, it takes {} at the plan's limits",
                    kernel.op()->string_view(), what, name, bytes, needed);
  }
  work_ += collectives_.words();
  const uint32_t unordered = collectives_.firstNotIn(ancestors_[command_]);
  if (unordered != BodyEffect::none)
    context_.fail(where(),
                  "does not wait for command {}, which is a collective, too: ranks could come to "
                  "them in different orders",
                  unordered);
  collectives_.insert(command_);
}

void BodyVerifier::verifyPrefetchCommand(const fb::Command &command) {
  if (const fb::Space space = operand(command, 0).space(); space != fb::Space::Parameter)
    context_.fail(where(), "fetches what is {}; weights alone are fetched ahead, by parameters",
                  fb::EnumNameSpace(space));
}

/// An output that shares bytes with an input, or with another output.
void BodyVerifier::verifyInPlace(const fb::Command &command, const fb::Kernel &kernel) {
  const auto &buffers = *context_.plan.buffers();
  auto shareBytes = [&](uint32_t a, uint32_t b) {
    const fb::Buffer *first = buffers.Get(a), *second = buffers.Get(b);
    return first->offset() < second->offset() + second->bytes() &&
           second->offset() < first->offset() + first->bytes();
  };
  std::string_view op = kernel.op()->string_view();
  for (uint32_t out = 0; out < kernel.outputs(); ++out) {
    const fb::Operand &output = operand(command, out);
    for (uint32_t i = out + 1; i < kernel.operands(); ++i) {
      const fb::Operand &other = operand(command, i);
      if (i < kernel.outputs() && output.space() == other.space() &&
          output.space() != fb::Space::Arena && output.index() == other.index())
        context_.fail(where(), "writes the same memory through operands {} and {}", out, i);
      if (output.space() != fb::Space::Arena || other.space() != fb::Space::Arena ||
          !shareBytes(output.index(), other.index()))
        continue;
      if (i < kernel.outputs())
        context_.fail(where(), "writes {} and {}, which overlap", buffer(output.index()),
                      buffer(other.index()));
      const fb::Buffer *a = buffers.Get(output.index()), *b = buffers.Get(other.index());
      bool inputMayBeOutput = i == 1 || (i == 2 && (op == "add" || op == "mul"));
      if (out != 0 || !inputMayBeOutput || !mayRunInPlace(op) || a->offset() != b->offset() ||
          a->bytes() != b->bytes() || a->dtype() != b->dtype())
        context_.fail(where(), "{} may not write {} over its input {}", quote(op),
                      buffer(output.index()), buffer(other.index()));
    }
  }
}

/// `describe` is called for the message only.
template <typename Describe>
void BodyVerifier::requireAfter(const CommandSet &earlier, std::string_view what,
                                Describe describe) {
  work_ += earlier.words();
  uint32_t missing = earlier.firstNotIn(ancestors_[command_]);
  if (missing != BodyEffect::none)
    context_.fail(where(), "does not wait for command {}, which {} {}", missing, what, describe());
}

void BodyVerifier::read(const fb::Operand &operand) {
  uint32_t index = operand.index();
  switch (operand.space()) {
  case fb::Space::Arena:
    if (effect_.states[index] == BodyEffect::State::Clobbered)
      context_.fail(where(), "reads {} after {} has overwritten it", buffer(index),
                    buffer(effect_.clobberedBy[index]));
    if (effect_.states[index] == BodyEffect::State::Untouched && !needed_[index]) {
      effect_.needs.push_back({index, command_});
      needed_[index] = true;
    }
    work_ += overlaps_[index].size();
    for (uint32_t other : overlaps_[index])
      requireAfter(buffers_[other].writers, "writes", [&] { return buffer(other); });
    break;
  case fb::Space::Parameter:
    requireAfter(parameters_[index].writers, "writes", [&] { return parameter(index); });
    break;
  case fb::Space::Output:
    context_.fail(where(), "reads step output {}, outputs are only written", index);
  case fb::Space::Input:
  case fb::Space::Constant:
    break;
  }
}

void BodyVerifier::write(const fb::Operand &operand) {
  uint32_t index = operand.index();
  switch (operand.space()) {
  case fb::Space::Arena:
    work_ += overlaps_[index].size();
    for (uint32_t other : overlaps_[index]) {
      requireAfter(buffers_[other].writers, "writes", [&] { return buffer(other); });
      requireAfter(buffers_[other].readers, "reads", [&] { return buffer(other); });
      effect_.states[other] = BodyEffect::State::Clobbered;
      effect_.clobberedBy[other] = index;
    }
    effect_.states[index] = BodyEffect::State::Written;
    break;
  case fb::Space::Parameter:
    requireAfter(parameters_[index].writers, "writes", [&] { return parameter(index); });
    requireAfter(parameters_[index].readers, "reads", [&] { return parameter(index); });
    effect_.parameterWriters[index] = command_;
    break;
  case fb::Space::Output:
    requireAfter(outputs_[index].writers, "writes", [] { return "the same step output"; });
    effect_.writesOutput = true;
    break;
  case fb::Space::Input:
  case fb::Space::Constant:
    context_.fail(where(), "writes {} {}, which is read-only",
                  operand.space() == fb::Space::Input ? "step input" : "constant", index);
  }
}

void BodyVerifier::record(const fb::Operand &operand, bool written) {
  std::vector<Uses> *all = operand.space() == fb::Space::Arena       ? &buffers_
                           : operand.space() == fb::Space::Parameter ? &parameters_
                           : operand.space() == fb::Space::Output    ? &outputs_
                                                                     : nullptr;
  if (!all)
    return;
  Uses &uses = (*all)[operand.index()];
  (written ? uses.writers : uses.readers).insert(command_);
}

BodyEffect BodyVerifier::run() {
  std::string bodyWhere = fmt::format("body {} {}", index_, quote(body_.name()->string_view()));
  const auto *parameters = context_.require(body_.parameters(), bodyWhere, "parameters");
  context_.requireRange(parameters->size(), 0, maxParametersPerBody, bodyWhere,
                        "the number of parameters");
  for (const flatbuffers::String *parameter : *parameters)
    context_.requireName(parameter, bodyWhere, "the name of a parameter");
  const auto *operands = context_.require(body_.operands(), bodyWhere, "operands");
  const auto *waits = context_.require(body_.waits(), bodyWhere, "waits");
  const auto *commands = context_.require(body_.commands(), bodyWhere, "commands");
  context_.requireRange(commands->size(), 1, maxCommandsPerBody, bodyWhere,
                        "the number of commands");

  size_t bufferCount = context_.plan.buffers()->size();
  effect_.states.assign(bufferCount, BodyEffect::State::Untouched);
  effect_.clobberedBy.assign(bufferCount, BodyEffect::none);
  for (auto *of :
       {&effect_.parameterWriters, &effect_.parameterUsers, &effect_.parameterPrefetches})
    of->assign(parameters->size(), BodyEffect::none);
  buffers_.resize(bufferCount);
  parameters_.resize(parameters->size());
  outputs_.resize(stepOutputs);
  ancestors_.resize(commands->size());
  needed_.resize(bufferCount);

  const auto &kernels = *context_.plan.kernels();
  for (command_ = 0; command_ < commands->size(); ++command_) {
    where_ = commandWhere(context_.plan, index_, command_);
    const fb::Command &command = *commands->Get(command_);
    if (command.kernel() >= kernels.size())
      context_.fail(where(), "names kernel {}, the plan has {}", command.kernel(), kernels.size());
    const fb::Kernel &kernel = *kernels.Get(command.kernel());
    if (command.operand_count() != kernel.operands())
      context_.fail(where(), "has {} operands, kernel {} takes {}", command.operand_count(),
                    quote(kernel.symbol()->string_view()), kernel.operands());
    if (uint64_t(command.operand_first()) + command.operand_count() > operands->size())
      context_.fail(where(), "its operands {} + {} end beyond the body's {}",
                    command.operand_first(), command.operand_count(), operands->size());
    if (uint64_t(command.wait_first()) + command.wait_count() > waits->size())
      context_.fail(where(), "its waits {} + {} end beyond the body's {}", command.wait_first(),
                    command.wait_count(), waits->size());
    context_.requireRange(command.wait_count(), 0, command_, where(), "the number of waits");
    context_.requireRange(command.stream(), 0, uint32_t(fb::Stream::MAX), where(), "stream");
    verifyTiles(command.tiles());

    CommandSet &ancestors = ancestors_[command_];
    for (uint32_t i = 0; i < command.wait_count(); ++i) {
      uint32_t wait = waits->Get(command.wait_first() + i);
      if (wait >= command_)
        context_.fail(where(), "waits for command {}, which is not an earlier one", wait);
      ancestors.insert(wait);
      ancestors.insert(ancestors_[wait]);
      work_ += ancestors.words();
    }
    for (uint32_t i = 0; i < kernel.operands(); ++i) {
      verifyOperand(operand(command, i));
      if (operand(command, i).space() == fb::Space::Parameter)
        (kernel.prefetch() ? effect_.parameterPrefetches
                           : effect_.parameterUsers)[operand(command, i).index()] = command_;
    }
    if (kernel.prefetch()) {
      verifyPrefetchCommand(command);
      continue;
    }
    if (kernel.collective())
      verifyCollectiveCommand(command, kernel);
    verifyInPlace(command, kernel);
    // A command reads before it writes; its own accesses join the sets last, so that it never waits
    // for itself.
    for (uint32_t i = kernel.outputs(); i < kernel.operands(); ++i)
      read(operand(command, i));
    for (uint32_t i = 0; i < kernel.outputs(); ++i)
      write(operand(command, i));
    for (uint32_t i = 0; i < kernel.operands(); ++i)
      record(operand(command, i), i < kernel.outputs());
    if (work_ > maxWork)
      context_.fail(where(), "the plan has too many commands on overlapping buffers to verify");
  }
  verifyStreams(context_, index_, work_);
  return std::move(effect_);
}

} // namespace

BodyEffect verifyBody(const Context &context, uint32_t body, const Overlaps &overlaps,
                      uint64_t &work) {
  return BodyVerifier(context, body, overlaps, work).run();
}

} // namespace vinci::planverify
