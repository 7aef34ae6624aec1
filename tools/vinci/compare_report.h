// What `vinci compare` found, as a report and as the command's error.
#pragma once

#include "runtime/exec/comparison.h"
#include "tools/vinci/report.h"

#include <string>
#include <vector>

namespace vinci {

/// What messages call the sides.
struct SideNames {
  const char *a = "A", *b = "B";
};

/// `report`, which says what the sides are, with all that was found; the table of the worst tensors
/// has at most `worst` rows.
Report comparisonReport(Report report, const Comparison &comparison,
                        const std::vector<std::string> &steps, double tolerance, int64_t worst);

/// The difference that matters most as the command's error; returns if there is none.
void failIfDifferent(const Comparison &comparison, const std::vector<std::string> &steps,
                     double tolerance, const SideNames &names = {});

} // namespace vinci
