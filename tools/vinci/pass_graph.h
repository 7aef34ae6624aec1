// The graphs of bodies before and after fusion, for the report of passes.
#pragma once

#include "runtime/plan/plan_generated.h"
#include "tools/compiler/compiler.h"
#include "tools/vinci/report.h"

namespace vinci {

/// True for ops that a graph shows: those that compute. Weights and constants are parts of what
/// reads them.
bool isNode(const CommandView &command);

/// A graph for each body that is in both records, the one that is called most first: its ops before
/// and after, which of the latter was made of which of the former, and by which passes.
Report passGraphs(const PassRecord &before, const PassRecord &after, const fb::Plan &plan);

} // namespace vinci
