// What follows from the settings that files gave: derived values, and contradictions between them.
#pragma once

#include "frontend/import/import.h"

namespace vinci {

/// Derives what is absent (degrees, memory for the KV cache and its blocks, the precision that the
/// target allows) with Authority::Default or that of the settings it follows from, and reports what
/// cannot be. Doing it twice changes nothing. Fails on degrees that do not divide the world.
void finishImport(Import &import);

} // namespace vinci
