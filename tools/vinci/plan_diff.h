// How two plans differ in what they do: commands, collectives, weights, memory, settings.
#pragma once

#include "runtime/plan/plan.h"
#include "tools/vinci/report.h"

namespace vinci {

/// A section for each kind of difference that there is; empty if the plans do the same.
///   settings    what the plans were compiled for: model, limits, target, generation
///   work        launches, collectives and their bytes of a step, by entry
///   calls       what an entry calls, where the order of bodies differs
///   commands    of the bodies, like a patch (program_diff.h), matched by kernel and weights
///   weights     what they are made of and how they lie in memory; layers that differ alike are
///               one row
///   memory      bytes of arena, weights and KV cache
///   offsets     buffers that moved in the arena, if it holds the same buffers in both
/// Names of plans, kernels' machine code and the order of tables make no difference.
Report planDifferences(const Plan &a, const Plan &b);

} // namespace vinci
