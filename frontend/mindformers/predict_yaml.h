// Reads MindFormers' predict_*.yaml: what the model is, in which precision it runs, on how many
// ranks.
//
// Two generations: the older ones describe a Llama-like network themselves (model_config.type
// LlamaConfig); those with `use_legacy: False` leave that to the config.json of
// pretrained_model_dir.
#pragma once

#include "frontend/settings/assign.h"

namespace vinci {

/// True if `root` has what only these files have.
bool looksLikePredictYaml(const JsonValue &root);

/// Resolves all keys with Authority::ModelFile. Read config.json before. Fails at its place on a
/// value that is wrong or would change the mathematics in a way that Vinci does not follow, and on
/// a file that lacks the network's sizes.
void readPredictYaml(Import &import, const JsonDocument &document);

} // namespace vinci
