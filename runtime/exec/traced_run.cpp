#include "runtime/exec/traced_run.h"

#include "runtime/device/communicator_group.h"
#include "runtime/device/sequential_runner.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

namespace vinci {

namespace {

/// Tiles write different elements, so any number of threads gives the same bits.
void runKernel(const CommandList &list, const CommandList::Command &command,
               tbb::task_arena &arena) {
  const auto tiles = uint32_t(command.tiles.tiles(*command.dims));
  arena.execute([&] {
    tbb::parallel_for(uint32_t(0), tiles, [&](uint32_t tile) {
      command.kernel(list.buffers(command), command.dims->values.data(), tile);
    });
  });
}

} // namespace

void runTraced(std::span<const CommandList> lists, const TraceObserver &after, uint32_t threads) {
  tbb::task_arena arena{int(threads)};
  for (const CommandList &list : lists)
    if (list.size() != lists[0].size())
      failInternal("ranks of one program have {} and {} commands", lists[0].size(), list.size());
  const auto size = uint32_t(lists.empty() ? 0 : lists[0].size());
  std::vector<const CollectiveCall *> blocked;
  for (uint32_t ordinal = 0; ordinal < size; ++ordinal) {
    blocked.clear();
    for (const CommandList &list : lists) {
      const CommandList::Command &command = list.command(ordinal);
      if (command.kernel) {
        runKernel(list, command, arena);
        continue;
      }
      const CollectiveCall &call = list.collective(command);
      call.group->arrive(call, {});
      blocked.push_back(&call);
    }
    std::vector<CommunicatorGroup *> remote;
    for (const CollectiveCall *call : blocked)
      if (call->group->isRemote() && std::ranges::find(remote, call->group) == remote.end())
        remote.push_back(call->group);
    CommunicatorGroup::complete(remote);
    // Every rank has come by now, so what is incomplete stays so.
    std::erase_if(blocked, [](auto *call) { return !call->group->incomplete(); });
    if (!blocked.empty())
      failStuck(blocked);
    after({ordinal, lists});
  }
}

const void *TracedCommand::output(uint32_t rank, uint32_t output) const {
  const CommandList &list = ranks[rank];
  const CommandList::Command &command = list.command(ordinal);
  return command.kernel ? list.buffers(command)[output] : list.collective(command).receive;
}

} // namespace vinci
