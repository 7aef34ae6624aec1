#include "runtime/exec/arena_poison.h"

#include "runtime/plan/collectives.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace vinci {

static constexpr auto poison = std::byte(0xff);

namespace {

/// A command's operands in the arena.
struct Accesses {
  std::vector<uint32_t> written, read;
};

bool overlap(const fb::Buffer &a, const fb::Buffer &b) {
  return a.offset() < b.offset() + b.bytes() && b.offset() < a.offset() + a.bytes();
}

} // namespace

ArenaPoison::ArenaPoison(const fb::Plan &plan, const fb::Entry &entry) : plan_(plan) {
  std::vector<Accesses> accesses;
  for (const fb::Call *call : *entry.calls()) {
    const fb::Body &body = *plan.bodies()->Get(call->body());
    for (const fb::Command *command : *body.commands()) {
      const fb::Kernel &kernel = *plan.kernels()->Get(command->kernel());
      Accesses own;
      for (uint32_t i = 0; i < command->operand_count(); ++i)
        if (const fb::Operand *operand = body.operands()->Get(command->operand_first() + i);
            operand->space() == fb::Space::Arena)
          (i < kernel.outputs() ? own.written : own.read).push_back(operand->index());
      // Two commands of the list, the second of which counts: nothing dies between them.
      if (computesFirst(kernel))
        accesses.push_back({own.written, {}});
      accesses.push_back(std::move(own));
    }
  }

  enum class Next { Nothing, Read, Write };
  std::vector<Next> next(plan.buffers()->size(), Next::Nothing); // of each buffer, from behind
  commands_.resize(accesses.size());
  for (size_t ordinal = accesses.size(); ordinal-- > 0;) {
    const Accesses &own = accesses[ordinal];
    for (uint32_t buffer : own.read) {
      const bool inPlace = std::ranges::any_of(own.written, [&](uint32_t output) {
        return overlap(*plan.buffers()->Get(output), *plan.buffers()->Get(buffer));
      });
      if (next[buffer] != Next::Read && !inPlace)
        commands_[ordinal].freed.push_back(buffer);
    }
    // A write that follows a write may be of another part: the first one's is not freed.
    for (uint32_t buffer : own.written)
      next[buffer] = Next::Write;
    for (uint32_t buffer : own.read)
      next[buffer] = Next::Read;
    commands_[ordinal].written = own.written;
  }
}

void ArenaPoison::begin(std::byte *arena) const {
  std::memset(arena, int(poison), plan_.arena_bytes());
}

void ArenaPoison::after(uint32_t ordinal, std::byte *arena) {
  for (uint32_t index : commands_[ordinal].written) {
    const fb::Buffer &buffer = *plan_.buffers()->Get(index);
    uint64_t end = buffer.offset() + buffer.bytes();
    while (end > std::max(highWater_, buffer.offset()) && arena[end - 1] == poison)
      --end;
    highWater_ = std::max(highWater_, end);
  }
  for (uint32_t index : commands_[ordinal].freed) {
    const fb::Buffer &buffer = *plan_.buffers()->Get(index);
    std::memset(arena + buffer.offset(), int(poison), buffer.bytes());
  }
}

void requireNumbers(std::span<const float> logits) {
  const auto found = std::ranges::find_if(logits, [](float logit) { return std::isnan(logit); });
  if (found != logits.end())
    fail("logit {} of a poisoned step is not a number: a command has read activations that were "
         "freed or never written, or the model's own arithmetic overflows (see without --poison)",
         found - logits.begin());
}

} // namespace vinci
