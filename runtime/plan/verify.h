// Does a plan mean something that can be executed? Run by the reader on every plan, and by the
// compiler before it writes one.
//
// After verification these hold, so that the executor needs no checks of its own:
// - every index, enum and name is present and in range; every kernel gets the operands it was
// compiled for;
// - at the plan's limits, every buffer lies in the arena, 64-byte aligned, and every product of
// sizes is below 2^48;
// - a command reads only arena buffers that were written earlier in the same step, by the commands
// of this call or of
//   earlier calls, and whose bytes no other buffer has overwritten since;
// - an output overlaps an input of its own command only if both are the same bytes and the kernel
// may run in place;
// - waits name earlier commands, and any two commands of a body that touch the same arena bytes, KV
// cache or step
//   output, one of them writing, are ordered by waits alone (streams add no order). Calls run one
//   after another;
// - the mesh, shards and collectives fit together, and waits order any two collectives of a body,
// so that all ranks come to them in one order;
// - the entries prefill, decode and score exist and take exactly the inputs and outputs of
// docs/plan-format.md.
#pragma once

#include "runtime/plan/types.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace vinci {

/// Throws Error on the first violation, naming `name` (the plan's path), the body and command, and
/// the value. `plan` must have passed flatbuffers' own verifier. The flatbuffer ends at `tablesEnd`
/// of a file of `fileBytes`.
void verifyPlan(const fb::Plan &plan, uint64_t tablesEnd, uint64_t fileBytes,
                const std::string &name);

/// True if the kernel op may write its first output over its first input (element by element, row
/// by row), or, for add and mul, over either input; all_reduce may receive where it sends from.
bool mayRunInPlace(std::string_view op);

} // namespace vinci
