// What the commands of a plan cost, as the cost model takes it.
#pragma once

#include "runtime/plan/cost.h"
#include "runtime/plan/plan.h"

namespace vinci {

/// Of a compiled kernel of the plan. Throws Error if it carries no cost: the plan is of an older
/// version.
Cost toCost(const Plan &plan, const fb::Kernel &kernel);

/// Of a collective among `ranks`: the whole buffer.
Cost toCost(const fb::Collective &collective, uint64_t ranks);

} // namespace vinci
