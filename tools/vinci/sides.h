// Commands that take two of a kind, A and B, with options for both and for each alone.
#pragma once

#include "tools/vinci/compile_options.h"

#include <string>

namespace vinci {

/// What the options of one side come to.
struct SideArguments {
  std::string source; ///< as it stands on the command line
  std::string model;  ///< --model DIR
  CompileFlags compile;
};

/// `shared`, with the options in `text`, the value of `flag`, on top. Throws a usage Error that
/// names them for one that there is not.
SideArguments sideArguments(SideArguments shared, const char *flag, const std::string &text);

} // namespace vinci
