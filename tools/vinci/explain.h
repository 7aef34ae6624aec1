// `vinci inspect PLAN --explain BODY:COMMAND`: from a command back to the model.
#pragma once

#include "runtime/plan/plan.h"
#include "tools/vinci/report.h"

#include <string_view>

namespace vinci {

/// What the command runs, in which calls and layers, and the ops that it stands for: the passes
/// that made it, of what, and the lines of the model's files that all began with. As text, what
/// something was made of stands indented below it. Throws Error for a command that there is not,
/// with those that there are. A plan whose debug tables are stripped says the calls only.
Report explainCommand(const Plan &plan, std::string_view command, ReportFormat format);

} // namespace vinci
