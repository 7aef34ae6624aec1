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
    : slots_(worldSize), inputs_(worldSize), outputs_(worldSize) {
  if (worldSize == 0)
    fail("a communicator of 0 ranks; legal: 1 or more");
}

bool CommunicatorGroup::arrive(const CollectiveCall &call, Arrival arrival) {
  if (broken_.load(std::memory_order_relaxed))
    fail("{} on a communicator whose ranks went out of step in an earlier operation",
         toString(call.kind));
  slots_[call.rank] = {call, arrival};
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < worldSize())
    return false;
  checkMatching();
  perform();
  // Before any command is marked as finished, because a rank may come again right after that.
  arrived_.store(0, std::memory_order_release);
  return true;
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
  // What rank r has of the whole begins at r * count and may end early.
  const uint64_t whole = any.whole.scale ? any.whole.in(*any.dims) : count * ranks;
  auto partOf = [&](uint32_t rank) {
    const uint64_t begin = std::min(rank * count, whole);
    return std::min(count, whole - begin);
  };
  switch (any.kind) {
  case CollectiveKind::AllReduce:
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      inputs_[rank] = slots_[rank].call.send;
      outputs_[rank] = slots_[rank].call.receive;
    }
    return sumInOrder(inputs_, outputs_, count, any.dtype);
  case CollectiveKind::ReduceScatter:
    for (uint32_t to = 0; to < ranks; ++to) {
      for (uint32_t from = 0; from < ranks; ++from)
        inputs_[from] = at(slots_[from].call.send, to * bytes);
      outputs_[0] = slots_[to].call.receive;
      sumInOrder(inputs_, std::span(outputs_).first(1), partOf(to), any.dtype);
    }
    return;
  case CollectiveKind::AllGather:
    for (const Slot &to : slots_)
      for (const Slot &from : slots_)
        copy(at(to.call.receive, from.call.rank * bytes), from.call.send,
             partOf(from.call.rank) * byteSize(any.dtype));
    return;
  case CollectiveKind::Broadcast:
    for (const Slot &to : slots_)
      copy(to.call.receive, slots_[any.root].call.send, bytes);
    return;
  case CollectiveKind::AllToAll:
    for (const Slot &to : slots_)
      for (const Slot &from : slots_)
        copy(at(to.call.receive, from.call.rank * bytes), at(from.call.send, to.call.rank * bytes),
             bytes);
    return;
  }
}

} // namespace vinci
