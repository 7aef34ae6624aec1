// Variables that Ascend's stacks read.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// Reads an object of variables and their values with Authority::Environment. What has an effect
/// only under another server than the one whose settings are read so far is reported as having
/// none; so are variables with a vendor's prefix that nobody knows, and misspelt ones.
void readEnvironment(Import &import, const JsonValue &variables);

} // namespace vinci
