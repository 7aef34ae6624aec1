// The options of run_mindie.sh, which writes a MindIE config.json and starts the server.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// Reads an object of options and values with Authority::Server; what is not given has the script's
/// defaults. Fails at the place of an option that the script does not have.
void readRunMindieOptions(Import &import, const JsonValue &options);

} // namespace vinci
