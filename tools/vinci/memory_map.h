// The arena over the time of a step, for the report of passes.
#pragma once

#include "runtime/plan/plan_generated.h"
#include "tools/vinci/report.h"

namespace vinci {

/// For the entries prefill and decode: the commands of a step in order, a body that is called many
/// times in a row shown twice, and for each buffer from which command to which it holds something.
Report memoryMap(const fb::Plan &plan);

} // namespace vinci
