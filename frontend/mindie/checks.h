// What MindIE's config.json and run_mindie.sh have in common.
#pragma once

#include "frontend/import/key_table.h"

namespace vinci::mindie {

/// npuMemSize: GiB for the KV cache, or -1.
void readKvMemory(KeyReader &reader, const JsonValue &value, std::string_view key);
/// Standard or Mix, as a row of a table.
KeyRule templateType(std::string_view path);
/// A port; MindIE takes 1024 to 65535.
void readPort(KeyReader &reader, const JsonValue &value, std::string_view key);

/// Fails where values contradict each other in a way that MindIE refuses.
void check(Import &import);

} // namespace vinci::mindie
