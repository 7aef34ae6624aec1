// What `vinci inspect PLAN` can show, as reports.
#pragma once

#include "runtime/plan/plan.h"
#include "tools/vinci/plan_memory.h"
#include "tools/vinci/report.h"

namespace vinci {

/// Sizes, limits, target; commands and collectives of each body and of each kind of step. Bytes are
/// those of one rank.
Report planSummary(const Plan &plan);
/// Every command of every body: kernel, tiles (of a collective, what it moves), operands, what it
/// waits for, and where it came from.
Report planCommands(const Plan &plan);
Report planKernels(const Plan &plan);
/// The arena's buffers by offset, and what else the plan needs memory for.
Report planMemory(const Plan &plan);
Report planWeights(const Plan &plan);

/// What the plan takes of a device's memory, row by row, with the changes that make it fit if it
/// does not.
Report budgetReport(const PlanMemory &memory, const std::vector<std::string> &changes);
/// How long a sequence may become there, and what binds it.
Report longestSequenceReport(const PlanMemory &memory);

} // namespace vinci
