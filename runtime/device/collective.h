// What a collective does to memory, once every rank has come to it: plain functions over the calls
// of its ranks, for whoever brought them together.
#pragma once

#include "runtime/device/command_list.h"

#include <cstdint>
#include <span>
#include <string>

namespace vinci {

/// The elements of the whole that rank `rank` has: they begin at rank * count and may end early.
uint64_t partOf(const CollectiveCall &call, uint32_t rank, uint32_t ranks);

/// Why the calls of all ranks, by rank, are not those of one operation; empty if they are.
std::string collectiveMismatch(std::span<const CollectiveCall *const> calls);

/// How many shares of the operation are worth their trouble, at most `most`: of some KiB
/// each, as cores must fetch from each other what they share.
uint32_t collectiveShares(std::span<const CollectiveCall *const> calls, uint32_t most);

/// Does share `share` of `shares` of the operation; together they do it all, in any order and at
/// the same time: no two touch the same element. Sums are made in rank order, in float32 (int32 for
/// int32), and rounded once. A rank whose `receive` is null receives nothing. The calls match.
void performCollective(std::span<const CollectiveCall *const> calls, uint32_t share,
                       uint32_t shares);

} // namespace vinci
