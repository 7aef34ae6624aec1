#include "runtime/device/communicator_group.h"

#include "runtime/support/error.h"
#include "runtime/support/half.h"

#include <algorithm>
#include <cstring>

namespace vinci {

namespace {

/// out[i] = inputs[0][i] + inputs[1][i] + ..., in that order. Outputs may be inputs: all of them
/// are read before any is written, a block of elements at a time.
template <typename Stored, typename Sum, typename Load, typename Round>
void sumInOrder(std::span<const void *const> inputs, std::span<void *const> outputs, uint64_t count,
                Load load, Round round) {
  constexpr uint64_t block = 1024;
  Sum sums[block];
  Stored rounded[block];
  for (uint64_t begin = 0; begin < count; begin += block) {
    const uint64_t size = std::min(block, count - begin);
    const auto *first = static_cast<const Stored *>(inputs[0]) + begin;
    for (uint64_t i = 0; i < size; ++i)
      sums[i] = load(first[i]);
    for (const void *input : inputs.subspan(1)) {
      const auto *more = static_cast<const Stored *>(input) + begin;
      for (uint64_t i = 0; i < size; ++i)
        sums[i] += load(more[i]);
    }
    for (uint64_t i = 0; i < size; ++i)
      rounded[i] = round(sums[i]);
    for (void *output : outputs)
      std::memcpy(static_cast<Stored *>(output) + begin, rounded, size * sizeof(Stored));
  }
}

void sumInOrder(std::span<const void *const> inputs, std::span<void *const> outputs, uint64_t count,
                DType dtype) {
  auto same = [](auto value) { return value; };
  switch (dtype) {
  case DType::Float32:
    return sumInOrder<float, float>(inputs, outputs, count, same, same);
  case DType::Int32: // unsigned: overflow wraps
    return sumInOrder<uint32_t, uint32_t>(inputs, outputs, count, same, same);
  case DType::BFloat16:
    return sumInOrder<uint16_t, float>(inputs, outputs, count, floatOfBFloat16, bfloat16OfFloat);
  case DType::Float16:
    return sumInOrder<uint16_t, float>(inputs, outputs, count, floatOfFloat16, float16OfFloat);
  case DType::Int8:
    failInternal("a sum of int8 was queued");
  }
}

const std::byte *at(const void *base, uint64_t offset) {
  return static_cast<const std::byte *>(base) + offset;
}
std::byte *at(void *base, uint64_t offset) {
  return static_cast<std::byte *>(base) + offset;
}

void copy(void *to, const void *from, uint64_t bytes) {
  if (to != from && bytes != 0)
    std::memcpy(to, from, bytes);
}

} // namespace

CommunicatorGroup::CommunicatorGroup(uint32_t worldSize)
    : slots_(worldSize), here_(worldSize), inputs_(worldSize), outputs_(worldSize) {
  if (worldSize == 0)
    fail("a communicator of 0 ranks; legal: 1 or more");
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

bool CommunicatorGroup::arrive(const CollectiveCall &call, Arrival arrival) {
  if (broken_.load(std::memory_order_relaxed))
    fail("{} on a communicator whose ranks went out of step in an earlier operation",
         toString(call.kind));
  slots_[call.rank] = {call, arrival};
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < worldSize() || isRemote())
    return false;
  checkMatching();
  perform();
  // Before any command is marked as finished, because a rank may come again right after that.
  arrived_.store(0, std::memory_order_release);
  return true;
}

namespace {

/// A part of a buffer, in bytes.
struct Piece {
  uint64_t begin, bytes;
};

/// The elements of the whole that rank `rank` has: they begin at rank * count and may end early.
uint64_t partOf(const CollectiveCall &call, uint32_t rank, uint32_t ranks) {
  const uint64_t count = call.count.in(*call.dims);
  const uint64_t whole = call.whole.scale ? call.whole.in(*call.dims) : count * ranks;
  return std::min(count, whole - std::min(rank * count, whole));
}

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
    group->checkMatching();
    group->perform();
    group->arrived_.store(0, std::memory_order_release);
  }
}

void CommunicatorGroup::checkMatching() {
  // Every step comes here: words are for those who need them.
  auto matches = [this](const Slot &slot) {
    const CollectiveCall &a = slots_[0].call, &b = slot.call;
    return a.kind == b.kind && a.count.in(*a.dims) == b.count.in(*b.dims) &&
           a.whole.in(*a.dims) == b.whole.in(*b.dims) && a.dtype == b.dtype && a.root == b.root;
  };
  if (std::ranges::all_of(slots_, matches))
    return;
  auto describe = [](const CollectiveCall &call) {
    const uint64_t whole = call.whole.in(*call.dims);
    return fmt::format("{} of {}{} {} (root {})", toString(call.kind), call.count.in(*call.dims),
                       whole ? fmt::format(" of {}", whole) : "", vinci::toString(call.dtype),
                       call.root);
  };
  std::string first = describe(slots_[0].call);
  for (uint32_t rank = 1; rank < worldSize(); ++rank)
    if (std::string other = describe(slots_[rank].call); other != first) {
      abandon();
      fail("rank 0 calls {} while rank {} calls {}; all ranks must call the same", first, rank,
           other);
    }
}

void CommunicatorGroup::perform() {
  const CollectiveCall &any = slots_[0].call;
  uint64_t count = any.count.in(*any.dims);
  uint64_t bytes = count * byteSize(any.dtype);
  uint32_t ranks = worldSize();
  const auto isReceiver = [](const Slot &slot) { return slot.call.receive != nullptr; };
  switch (any.kind) {
  case CollectiveKind::AllReduce: {
    size_t receivers = 0;
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      inputs_[rank] = slots_[rank].call.send;
      if (isReceiver(slots_[rank]))
        outputs_[receivers++] = slots_[rank].call.receive;
    }
    return sumInOrder(inputs_, std::span(outputs_).first(receivers), count, any.dtype);
  }
  case CollectiveKind::ReduceScatter:
    for (uint32_t to = 0; to < ranks; ++to) {
      if (!isReceiver(slots_[to]))
        continue;
      for (uint32_t from = 0; from < ranks; ++from)
        inputs_[from] = at(slots_[from].call.send, to * bytes);
      outputs_[0] = slots_[to].call.receive;
      sumInOrder(inputs_, std::span(outputs_).first(1), partOf(any, to, ranks), any.dtype);
    }
    return;
  case CollectiveKind::AllGather:
    for (const Slot &to : slots_)
      for (const Slot &from : slots_)
        if (isReceiver(to))
          copy(at(to.call.receive, from.call.rank * bytes), from.call.send,
               partOf(any, from.call.rank, ranks) * byteSize(any.dtype));
    return;
  case CollectiveKind::Broadcast:
    for (const Slot &to : slots_)
      if (isReceiver(to))
        copy(to.call.receive, slots_[any.root].call.send, bytes);
    return;
  case CollectiveKind::AllToAll:
    for (const Slot &to : slots_)
      for (const Slot &from : slots_)
        if (isReceiver(to))
          copy(at(to.call.receive, from.call.rank * bytes),
               at(from.call.send, to.call.rank * bytes), bytes);
    return;
  }
}

} // namespace vinci
