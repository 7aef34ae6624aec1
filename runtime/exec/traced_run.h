// Runs command lists of several ranks side by side, command by command, and lets someone look at
// what each command has written before the next one starts: for debugging.
//
// The program of all ranks is one (docs/plan-format.md), so their lists have the same commands in
// the same places. The arena is used again and again within a step: values must be taken when they
// are shown.
#pragma once

#include "runtime/device/command_list.h"

#include <cstdint>
#include <functional>
#include <span>

namespace vinci {

/// A command that has just run on every rank.
struct TracedCommand {
  uint32_t ordinal = 0;
  std::span<const CommandList> ranks;

  /// Where rank `rank` has written output number `output` of the command.
  const void *output(uint32_t rank, uint32_t output) const;
  const StepDims &dims() const { return *ranks[0].command(ordinal).dims; }
};

using TraceObserver = std::function<void(const TracedCommand &)>;

/// Runs `lists`, one for each rank, in list order, the tiles of a command on `threads` threads, and
/// calls `after`, on the calling thread, after each command. Throws Error if the lists differ in
/// length, or if the ranks of a collective do not come to it with the same command.
void runTraced(std::span<const CommandList> lists, const TraceObserver &after,
               uint32_t threads = 1);

} // namespace vinci
