#include "runtime/device/communicator_group.h"

#include "runtime/device/collective.h"
#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

namespace {

const std::byte *at(const void *base, uint64_t offset) {
  return static_cast<const std::byte *>(base) + offset;
}
} // namespace

CommunicatorGroup::CommunicatorGroup(uint32_t worldSize) : slots_(worldSize), here_(worldSize) {
  if (worldSize == 0)
    fail("a communicator of 0 ranks; legal: 1 or more");
  for (const Slot &slot : slots_)
    calls_.push_back(&slot.call);
}

CommunicatorGroup::CommunicatorGroup(uint32_t number, std::vector<uint32_t> processOf,
                                     ProcessGroup &processes)
    : CommunicatorGroup(uint32_t(processOf.size())) {
  number_ = number;
  processOf_ = std::move(processOf);
  processes_ = &processes;
  here_ = uint32_t(std::ranges::count(processOf_, processes.rank()));
  copies_.resize(processOf_.size());
}

/// True if `call` was the last that had to come.
bool CommunicatorGroup::isLast(const CollectiveCall &call, Arrival arrival) {
  if (broken_.load(std::memory_order_relaxed))
    fail("{} on a communicator whose ranks went out of step in an earlier operation",
         toString(call.kind));
  slots_[call.rank] = {call, arrival};
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < worldSize() || isRemote())
    return false;
  requireMatching();
  return true;
}

bool CommunicatorGroup::arrive(const CollectiveCall &call, Arrival arrival) {
  if (!isLast(call, arrival))
    return false;
  performCollective(calls_, 0, 1);
  // Before any command is marked as finished, because a rank may come again right after that.
  arrived_.store(0, std::memory_order_release);
  return true;
}

bool CommunicatorGroup::open(const CollectiveCall &call, Arrival arrival, uint32_t shares) {
  if (!isLast(call, arrival))
    return false;
  const uint64_t operation = (shares_.load(std::memory_order_relaxed) >> 32) + 1;
  const uint64_t count = collectiveShares(calls_, std::min(shares, 0xffffu));
  shares_.store(operation << 32 | count << 16, std::memory_order_release);
  return true;
}

CommunicatorGroup::Share CommunicatorGroup::performShare() {
  uint64_t word = shares_.load(std::memory_order_relaxed);
  uint32_t share, count;
  do {
    share = word & 0xffff;
    count = word >> 16 & 0xffff;
    if (share == count)
      return Share::None;
  } while (!shares_.compare_exchange_weak(word, word + 1, std::memory_order_acquire,
                                          std::memory_order_relaxed));
  performCollective(calls_, share, count);
  if (sharesDone_.fetch_add(1, std::memory_order_acq_rel) + 1 < count)
    return Share::Done;
  // As in arrive().
  sharesDone_.store(0, std::memory_order_relaxed);
  arrived_.store(0, std::memory_order_release);
  return Share::Closed;
}

namespace {

/// A part of a buffer, in bytes.
struct Piece {
  uint64_t begin, bytes;
};

/// What rank `to` needs of the `send` of rank `from`.
Piece neededPiece(const CollectiveCall &call, uint32_t from, uint32_t to, uint32_t ranks) {
  const uint64_t size = byteSize(call.dtype), count = call.count.in(*call.dims);
  switch (call.kind) {
  case CollectiveKind::AllReduce:
    return {0, count * size};
  case CollectiveKind::Broadcast:
    return {0, from == call.root ? count * size : 0};
  case CollectiveKind::AllGather:
    return {0, partOf(call, from, ranks) * size};
  case CollectiveKind::ReduceScatter:
    return {to * count * size, partOf(call, to, ranks) * size};
  case CollectiveKind::AllToAll:
    return {to * count * size, count * size};
  }
  failInternal("unknown kind of collective");
}

} // namespace

/// Calls `visit(from, to, piece)` for what crosses between processes, in one order everywhere. What
/// all ranks of a process need of a rank goes there once.
template <typename Visit>
void CommunicatorGroup::forEachPiece(const CollectiveCall &call, const Visit &visit) const {
  for (uint32_t from = 0; from < worldSize(); ++from)
    for (uint32_t to = 0; to < worldSize(); ++to) {
      const Piece piece = neededPiece(call, from, to, worldSize());
      const auto isSame = [&](uint32_t before) {
        return processOf_[before] == processOf_[to] &&
               neededPiece(call, from, before, worldSize()).begin == piece.begin;
      };
      bool isRepeated = false;
      for (uint32_t before = 0; before < to; ++before)
        isRepeated |= isSame(before);
      if (isHere(from) != isHere(to) && piece.bytes != 0 && !isRepeated)
        visit(from, to, piece);
    }
}

void CommunicatorGroup::addMessages(std::vector<ProcessGroup::Outgoing> &outgoing,
                                    std::vector<ProcessGroup::Incoming> &incoming) {
  if (arrived_.load(std::memory_order_acquire) != here_)
    fail("a rank of process {} waits in a collective for ranks that never come: all {} ranks must "
         "issue it",
         processes_->rank(), worldSize());
  uint32_t own = 0;
  while (!isHere(own))
    ++own;
  const CollectiveCall call = slots_[own].call;
  // All copies get their sizes before any address is taken.
  forEachPiece(call, [&](uint32_t from, uint32_t, const Piece &piece) {
    if (!isHere(from) && copies_[from].size() < piece.begin + piece.bytes)
      copies_[from].resize(piece.begin + piece.bytes);
  });
  for (uint32_t rank = 0; rank < worldSize(); ++rank)
    if (!isHere(rank)) {
      slots_[rank].call = call;
      slots_[rank].call.rank = rank;
      slots_[rank].call.send = copies_[rank].data();
      slots_[rank].call.receive = nullptr; // nobody writes there
    }
  forEachPiece(call, [&](uint32_t from, uint32_t to, const Piece &piece) {
    if (isHere(from))
      outgoing.push_back({processOf_[to], at(slots_[from].call.send, piece.begin), piece.bytes});
    else
      incoming.push_back({processOf_[from], copies_[from].data() + piece.begin, piece.bytes});
  });
}

void CommunicatorGroup::complete(std::span<CommunicatorGroup *> groups) {
  if (groups.empty())
    return;
  std::ranges::sort(groups, {}, [](const CommunicatorGroup *group) { return group->number_; });
  std::vector<ProcessGroup::Outgoing> outgoing;
  std::vector<ProcessGroup::Incoming> incoming;
  for (CommunicatorGroup *group : groups)
    group->addMessages(outgoing, incoming);
  groups.front()->processes_->exchange(outgoing, incoming);
  for (CommunicatorGroup *group : groups) {
    group->requireMatching();
    performCollective(group->calls_, 0, 1);
    group->arrived_.store(0, std::memory_order_release);
  }
}

void CommunicatorGroup::requireMatching() {
  if (const std::string problem = collectiveMismatch(calls_); !problem.empty()) {
    abandon();
    fail("{}", problem);
  }
}

} // namespace vinci
