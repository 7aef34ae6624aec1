// Settings that the command line puts in place of what files say.
#pragma once

#include "frontend/settings/assign.h"

#include <string>
#include <vector>

namespace vinci {

/// Each is `name=value`; the name is that of a setting, or of a key of MindIE's config.json. Throws
/// Error naming the override where there is no such setting, or where the value is none of its.
void applyOverrides(Import &import, const std::vector<std::string> &overrides);

} // namespace vinci
