// Reads the YAML of an inference recipe: how a mixture of experts is spread over ranks, and the
// load that it is measured under.
//
// Two schemas: the older one has model_name, exe_mode and world_size at the top and the load in
// data_config; the newer one has all in model_config, parallel_config, scheduler_config and
// data_config. A file is of one of them.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// True if `root` has what only these files have.
bool looksLikeRecipeYaml(const JsonValue &root);

/// Resolves all keys with Authority::Server. Fails at its place on a value that is wrong, on a
/// degree that does not divide world_size, and on a batch that does not divide among the groups of
/// attention.
void readRecipeYaml(Import &import, const JsonDocument &document);

} // namespace vinci
