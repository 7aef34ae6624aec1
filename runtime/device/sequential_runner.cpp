#include "runtime/device/sequential_runner.h"

#include "runtime/device/communicator_group.h"
#include "runtime/support/error.h"

namespace vinci {

void failStuck(std::span<const CollectiveCall *const> blocked) {
  for (const CollectiveCall *call : blocked)
    call->group->abandon();
  if (blocked.empty())
    failInternal("a command list cannot go on: no command can start, but not all have run");
  const CollectiveCall &first = *blocked.front();
  fail("rank {} waits in {} for ranks that never come: all {} ranks must issue it", first.rank,
       toString(first.kind), first.group->worldSize());
}

namespace {

/// A list on its way: `next` is the command to run, or the collective that it waits in.
struct Progress {
  const CommandList *list = nullptr;
  uint32_t next = 0;
  bool waiting = false;

  bool finished() const { return next == list->size(); }
};

/// Goes on with one list until its end or a collective that others have not come to. True if
/// anything ran.
bool advance(Progress &progress) {
  bool moved = false;
  while (!progress.finished() && !progress.waiting) {
    moved = true;
    const CommandList::Command &command = progress.list->command(progress.next);
    if (command.kernel) {
      auto tiles = uint32_t(command.tiles.tiles(*command.dims));
      for (uint32_t tile = 0; tile < tiles; ++tile)
        command.kernel(progress.list->buffers(command), command.dims->values.data(), tile);
      ++progress.next;
      continue;
    }
    const CollectiveCall &call = progress.list->collective(command);
    progress.waiting = true;
    if (!call.group->arrive(call, {&progress, progress.next}))
      continue;
    for (uint32_t rank = 0; rank < call.group->worldSize(); ++rank) {
      auto *arrived = static_cast<Progress *>(call.group->arrival(rank).owner);
      arrived->waiting = false;
      ++arrived->next;
    }
  }
  return moved;
}

} // namespace

void SequentialRunner::run(std::span<CommandList *const> lists) {
  std::vector<Progress> all(lists.size());
  for (size_t i = 0; i < lists.size(); ++i)
    all[i].list = lists[i];
  for (bool moved = true; moved;) {
    moved = false;
    for (Progress &progress : all)
      moved |= advance(progress);
  }
  std::vector<const CollectiveCall *> blocked;
  for (const Progress &progress : all)
    if (progress.waiting)
      blocked.push_back(&progress.list->collective(progress.list->command(progress.next)));
  if (!blocked.empty())
    failStuck(blocked);
}

} // namespace vinci
