#include "runtime/exec/lockstep_runner.h"

#include "runtime/device/communicator_group.h"
#include "runtime/device/sequential_runner.h"
#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

/// A list, cut at its collectives. Kept with it from run to run.
struct LockstepRunner::Pieces final : RunnerState {
  explicit Pieces(const CommandList &list) {
    uint32_t begin = 0;
    for (uint32_t ordinal = 0; ordinal < list.size(); ++ordinal)
      if (const CommandList::Command &command = list.command(ordinal); !command.kernel) {
        commands.push_back(list.part(begin, ordinal));
        collectives.push_back(list.collective(command));
        begin = ordinal + 1;
      }
    commands.push_back(list.part(begin, uint32_t(list.size())));
  }

  std::vector<CommandList> commands; ///< one more than collectives: each is before one, or the last
  std::vector<CollectiveCall> collectives;
};

void LockstepRunner::run(std::span<CommandList *const> lists) {
  pieces_.clear();
  for (CommandList *list : lists) {
    auto *pieces = dynamic_cast<Pieces *>(list->runnerState.get());
    if (!pieces) {
      list->runnerState = std::make_unique<Pieces>(*list);
      pieces = static_cast<Pieces *>(list->runnerState.get());
    }
    pieces_.push_back(pieces);
  }
  for (const Pieces *pieces : pieces_)
    if (pieces->collectives.size() != pieces_.front()->collectives.size())
      failInternal("ranks of one program have {} and {} collectives",
                   pieces_.front()->collectives.size(), pieces->collectives.size());
  for (size_t piece = 0; !pieces_.empty() && piece < pieces_.front()->commands.size(); ++piece)
    runPieces(pieces_, piece);
}

void LockstepRunner::runPieces(std::span<Pieces *const> lists, size_t piece) {
  toRun_.clear();
  for (Pieces *pieces : lists)
    if (CommandList &commands = pieces->commands[piece]; commands.size() > 0)
      toRun_.push_back(&commands);
  if (!toRun_.empty())
    runner_.run(toRun_);
  if (piece == lists.front()->collectives.size())
    return;
  remote_.clear();
  for (const Pieces *pieces : lists) {
    const CollectiveCall &call = pieces->collectives[piece];
    call.group->arrive(call, {});
    if (call.group->isRemote() && std::ranges::find(remote_, call.group) == remote_.end())
      remote_.push_back(call.group);
  }
  CommunicatorGroup::complete(remote_);
  for (const Pieces *pieces : lists)
    if (const CollectiveCall &call = pieces->collectives[piece]; call.group->incomplete()) {
      const CollectiveCall *blocked = &call;
      failStuck({&blocked, 1});
    }
}

} // namespace vinci
