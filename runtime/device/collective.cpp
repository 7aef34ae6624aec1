#include "runtime/device/collective.h"

#include "runtime/support/error.h"
#include "runtime/support/half.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace vinci {

namespace {

using Calls = std::span<const CollectiveCall *const>;

/// Elements begin .. end - 1.
struct Range {
  uint64_t begin, end;
};

/// Shares meet at cache lines, whatever the type.
Range shareOf(uint64_t count, uint32_t share, uint32_t shares) {
  constexpr uint64_t line = 64;
  const uint64_t lines = (count + line - 1) / line;
  return {std::min(count, lines * share / shares * line),
          std::min(count, lines * (share + 1) / shares * line)};
}

std::byte *at(void *base, uint64_t offset) {
  return static_cast<std::byte *>(base) + offset;
}
const std::byte *at(const void *base, uint64_t offset) {
  return static_cast<const std::byte *>(base) + offset;
}

void copy(void *to, const void *from, uint64_t bytes) {
  if (to != from && bytes != 0)
    std::memcpy(to, from, bytes);
}

/// What is added where.
struct Sum {
  Calls calls;
  Range range;            ///< elements
  uint64_t sendBegin = 0; ///< where element 0 is in every `send`, in bytes
  uint32_t to = allRanks; ///< whose `receive` gets it

  static constexpr uint32_t allRanks = ~0u;
};

/// out[i] = in[0][i] + in[1][i] + ..., in the order of ranks. Outputs may be inputs: all of them
/// are read before any is written, a block of elements at a time.
template <typename Stored, typename Wide, typename Load, typename Round>
[[gnu::always_inline]] inline void addBlocks(const Sum &sum, Load load, Round round) {
  constexpr uint64_t block = 1024;
  alignas(64) Wide sums[block];
  alignas(64) Stored rounded[block];
  for (uint64_t begin = sum.range.begin; begin < sum.range.end; begin += block) {
    const uint64_t size = std::min(block, sum.range.end - begin);
    for (size_t rank = 0; rank < sum.calls.size(); ++rank) {
      const auto *values =
          reinterpret_cast<const Stored *>(at(sum.calls[rank]->send, sum.sendBegin)) + begin;
      if (rank == 0)
        for (uint64_t i = 0; i < size; ++i)
          sums[i] = load(values[i]);
      else
        for (uint64_t i = 0; i < size; ++i)
          sums[i] += load(values[i]);
    }
    for (uint64_t i = 0; i < size; ++i)
      rounded[i] = round(sums[i]);
    for (const CollectiveCall *call : sum.calls)
      if (call->receive && (sum.to == Sum::allRanks || sum.to == call->rank))
        std::memcpy(static_cast<Stored *>(call->receive) + begin, rounded, size * sizeof(Stored));
  }
}

[[gnu::always_inline]] inline void addAny(const Sum &sum) {
  const auto same = [](auto value) { return value; };
  switch (sum.calls[0]->dtype) {
  case DType::Float32:
    return addBlocks<float, float>(sum, same, same);
  case DType::Int32: // unsigned: overflow wraps
    return addBlocks<uint32_t, uint32_t>(sum, same, same);
  case DType::BFloat16:
    return addBlocks<uint16_t, float>(
        sum, [](uint16_t bits) { return floatOfBFloat16(bits); },
        [](float value) { return bfloat16OfFloat(value); });
  case DType::Float16:
    return addBlocks<uint16_t, float>(
        sum, [](uint16_t bits) { return floatOfFloat16(bits); },
        [](float value) { return float16OfFloat(value); });
  case DType::Int8:
    failInternal("a sum of int8 was queued");
  }
}

// The compiler's vectors of the processors that there are; the same operations, so the same bits.
[[gnu::target("avx2")]] void addAvx2(const Sum &sum) {
  addAny(sum);
}
void addPlain(const Sum &sum) {
  addAny(sum);
}

void add(const Sum &sum) {
  static const bool hasAvx2 = __builtin_cpu_supports("avx2");
  hasAvx2 ? addAvx2(sum) : addPlain(sum);
}

/// Copies a share of what rank `from` has for rank `to`, for all pairs: `count` elements from
/// `source(from, to)` to `target(from, to)`, both in elements.
void copyShares(Calls calls, uint32_t share, uint32_t shares, const auto &count, const auto &source,
                const auto &target) {
  const uint64_t size = byteSize(calls[0]->dtype);
  for (const CollectiveCall *to : calls)
    for (const CollectiveCall *from : calls) {
      if (!to->receive)
        continue;
      const Range range = shareOf(count(*from), share, shares);
      copy(at(to->receive, (target(*from, *to) + range.begin) * size),
           at(from->send, (source(*from, *to) + range.begin) * size),
           (range.end - range.begin) * size);
    }
}

} // namespace

uint64_t partOf(const CollectiveCall &call, uint32_t rank, uint32_t ranks) {
  const uint64_t count = call.count.in(*call.dims);
  const uint64_t whole = call.whole.scale ? call.whole.in(*call.dims) : count * ranks;
  return std::min(count, whole - std::min(rank * count, whole));
}

std::string collectiveMismatch(Calls calls) {
  // Every step comes here: words are for those who need them.
  const auto matches = [&](const CollectiveCall *call) {
    const CollectiveCall &a = *calls[0], &b = *call;
    return a.kind == b.kind && a.count.in(*a.dims) == b.count.in(*b.dims) &&
           a.whole.in(*a.dims) == b.whole.in(*b.dims) && a.dtype == b.dtype && a.root == b.root;
  };
  const auto other = std::ranges::find_if_not(calls, matches);
  if (other == calls.end())
    return "";
  const auto describe = [](const CollectiveCall &call) {
    const uint64_t whole = call.whole.in(*call.dims);
    return fmt::format("{} of {}{} {} (root {})", toString(call.kind), call.count.in(*call.dims),
                       whole ? fmt::format(" of {}", whole) : "", vinci::toString(call.dtype),
                       call.root);
  };
  return fmt::format("rank 0 calls {} while rank {} calls {}; all ranks must call the same",
                     describe(*calls[0]), other - calls.begin(), describe(**other));
}

uint32_t collectiveShares(Calls calls, uint32_t most) {
  constexpr uint64_t leastBytes = 16 << 10;
  const CollectiveCall &any = *calls[0];
  const uint64_t bytes = any.count.in(*any.dims) * byteSize(any.dtype);
  return uint32_t(std::clamp<uint64_t>(bytes / leastBytes, 1, most));
}

void performCollective(Calls calls, uint32_t share, uint32_t shares) {
  const CollectiveCall &any = *calls[0];
  const auto ranks = uint32_t(calls.size());
  const uint64_t count = any.count.in(*any.dims);
  switch (any.kind) {
  case CollectiveKind::AllReduce:
    return add({calls, shareOf(count, share, shares)});
  case CollectiveKind::ReduceScatter:
    for (uint32_t to = 0; to < ranks; ++to)
      if (calls[to]->receive)
        add({calls, shareOf(partOf(any, to, ranks), share, shares),
             to * count * byteSize(any.dtype), to});
    return;
  case CollectiveKind::AllGather:
    return copyShares(
        calls, share, shares,
        [&](const CollectiveCall &from) { return partOf(any, from.rank, ranks); },
        [](const CollectiveCall &, const CollectiveCall &) { return uint64_t(0); },
        [&](const CollectiveCall &from, const CollectiveCall &) { return from.rank * count; });
  case CollectiveKind::Broadcast:
    return copyShares(
        calls, share, shares,
        [&](const CollectiveCall &from) { return from.rank == any.root ? count : 0; },
        [](const CollectiveCall &, const CollectiveCall &) { return uint64_t(0); },
        [](const CollectiveCall &, const CollectiveCall &) { return uint64_t(0); });
  case CollectiveKind::AllToAll:
    return copyShares(
        calls, share, shares, [&](const CollectiveCall &) { return count; },
        [&](const CollectiveCall &, const CollectiveCall &to) { return to.rank * count; },
        [&](const CollectiveCall &from, const CollectiveCall &) { return from.rank * count; });
  }
}

} // namespace vinci
