// Runs command lists on the calling thread, in list order: the simplest runner there is. For tests
// and tools; the region executor (runtime/exec) gives the same results on many threads.
#pragma once

#include "runtime/device/command_list.h"

namespace vinci {

class SequentialRunner final : public CommandRunner {
public:
  void run(std::span<CommandList *const> lists) override;
};

/// What every runner does when no list can go on: gives up the collectives on which the lists wait
/// and throws an Error that names one of them. `blocked` are the calls that were made and not
/// completed.
[[noreturn]] void failStuck(std::span<const CollectiveCall *const> blocked);

} // namespace vinci
