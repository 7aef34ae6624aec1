#include "runtime/device/command_list.h"

#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

const char *toString(CollectiveKind kind) {
  switch (kind) {
  case CollectiveKind::AllReduce:
    return "all_reduce";
  case CollectiveKind::AllGather:
    return "all_gather";
  case CollectiveKind::ReduceScatter:
    return "reduce_scatter";
  case CollectiveKind::Broadcast:
    return "broadcast";
  case CollectiveKind::AllToAll:
    return "all_to_all";
  }
  return "?";
}

uint32_t CommandList::push(Command command, std::span<const uint32_t> waits) {
  auto ordinal = uint32_t(commands_.size());
  for (uint32_t wait : waits)
    if (wait >= ordinal)
      failInternal("command {} waits for command {}; a command can only wait for earlier ones",
                   ordinal, wait);
  command.firstWait = uint32_t(waits_.size());
  command.after = after_;
  // A barrier already covers what lies before it.
  std::copy_if(waits.begin(), waits.end(), std::back_inserter(waits_),
               [&](uint32_t wait) { return wait >= after_; });
  command.waitCount = uint32_t(waits_.size()) - command.firstWait;
  commands_.push_back(command);
  runnerState.reset();
  return ordinal;
}

uint32_t CommandList::add(const KernelLaunch &launch, std::span<const uint32_t> waits) {
  auto firstBuffer = uint32_t(buffers_.size());
  uint32_t ordinal = push({launch.kernel, launch.dims, launch.tiles, firstBuffer, 0, 0, 0}, waits);
  buffers_.insert(buffers_.end(), launch.buffers.begin(), launch.buffers.end());
  return ordinal;
}

uint32_t CommandList::add(const CollectiveCall &call, std::span<const uint32_t> waits) {
  std::vector<uint32_t> allWaits(waits.begin(), waits.end());
  for (size_t i = collectives_.size(); i-- > 0;)
    if (collectives_[i].group == call.group) {
      allWaits.push_back(collectiveOrdinals_[i]);
      break;
    }
  uint32_t ordinal =
      push({nullptr, call.dims, TileRule{}, uint32_t(collectives_.size()), 0, 0, 0}, allWaits);
  collectives_.push_back(call);
  collectiveOrdinals_.push_back(ordinal);
  return ordinal;
}

void CommandList::barrier() {
  after_ = uint32_t(commands_.size());
}

void CommandList::append(const CommandList &other) {
  barrier();
  uint32_t base = after_;
  for (const Command &command : other.commands_) {
    std::vector<uint32_t> waits;
    for (uint32_t wait : other.waits(command))
      waits.push_back(base + wait);
    after_ = base + command.after;
    if (command.kernel) {
      Command copy = command;
      copy.firstBuffer += uint32_t(buffers_.size());
      push(copy, waits);
    } else {
      add(other.collective(command), waits);
    }
  }
  buffers_.insert(buffers_.end(), other.buffers_.begin(), other.buffers_.end());
  barrier();
}

CommandList CommandList::part(uint32_t begin, uint32_t end) const {
  CommandList part;
  for (uint32_t ordinal = begin; ordinal < end; ++ordinal) {
    const Command &command = commands_[ordinal];
    std::vector<uint32_t> waits;
    for (uint32_t wait : this->waits(command))
      if (wait >= begin)
        waits.push_back(wait - begin);
    part.after_ = std::max(command.after, begin) - begin;
    if (!command.kernel) {
      part.add(collective(command), waits);
      continue;
    }
    Command copy = command;
    copy.firstBuffer = uint32_t(part.buffers_.size());
    part.push(copy, waits);
    // Its buffers end where those of the next kernel begin.
    uint32_t next = ordinal + 1;
    while (next < commands_.size() && !commands_[next].kernel)
      ++next;
    const size_t bufferEnd =
        next < commands_.size() ? commands_[next].firstBuffer : buffers_.size();
    part.buffers_.insert(part.buffers_.end(), buffers_.begin() + command.firstBuffer,
                         buffers_.begin() + ptrdiff_t(bufferEnd));
  }
  return part;
}

void CommandList::clear() {
  commands_.clear();
  waits_.clear();
  buffers_.clear();
  collectives_.clear();
  collectiveOrdinals_.clear();
  after_ = 0;
  runnerState.reset();
}

} // namespace vinci
