// The commands of two programs side by side, whatever they are read from.
#pragma once

#include "tools/compiler/program_view.h"
#include "tools/vinci/report.h"

namespace vinci {

/// Rows like those of a patch: "-" only in A, "+" only in B, "~" in both, with other operands;
/// empty if the bodies of A do what those of the same name do in B. Commands are matched by their
/// keys, in order. Operands are matched by what wrote them: a value with another name is no
/// difference, nor is what comes out of a stretch of commands in place of another one's results.
Report commandDifferences(const std::vector<BodyView> &a, const std::vector<BodyView> &b);

/// The same as a unified diff, a line for each command: "--- name", "+++ name", "@@ -1,4 +1,3 @@",
/// and lines that begin with "-", "+" or a space. A command with other operands is one line less
/// and one more; one whose values are only numbered anew is context, as B has it.
struct UnifiedDiff {
  std::string body;
  std::vector<std::string> lines;
};
std::vector<UnifiedDiff> unifiedDiffs(const std::vector<BodyView> &a,
                                      const std::vector<BodyView> &b);

} // namespace vinci
