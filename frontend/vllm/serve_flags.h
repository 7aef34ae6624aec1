// The flags of a vLLM server as settings.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// True if one of the keys of `object` can only be a flag of vLLM's serve command.
bool looksLikeServeFlags(const JsonValue &object);

/// Reads an object of flags and values with Authority::Server. Flags may have dashes in front, and
/// underscores for dashes; keys that begin with an underscore are comments, and "env" is not a
/// flag. Fails at a flag that is nearly a known one, and where vLLM would refuse a value; other
/// unknown flags are findings.
void readServeFlags(Import &import, const JsonValue &flags);

} // namespace vinci
