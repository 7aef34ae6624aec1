// Documents that say how a server is started: its flags and the variables around it.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// True for {"serve": {…}}, {"run_mindie": {…}}, {"env": {…}} and a flat object of a vLLM server's
/// flags.
bool looksLikeServe(const JsonValue &root);

/// Reads such a document; parseLaunchScript makes one of a script. A flat object of flags may have
/// an "env", too. Fails as readServeFlags, readRunMindieOptions and readEnvironment do.
void readServe(Import &import, const JsonDocument &document);

} // namespace vinci
