// config.json (with generation_config.json and quant_model_description.json) of a Hugging Face
// checkpoint -> ModelSpec.
//
// Reads the spelling of 2024-25 checkpoints and that of transformers 5, also mixed; where both
// spellings of one thing are there and disagree, that is an error naming both. Every key is
// resolved, or known not to matter (known_keys.cpp), or, if it would change the mathematics, an
// error; what remains is a warning in ModelSpec::warnings. Absent keys take transformers' defaults,
// except those that fix the shape of the weights, which must be there.
//
// Every error is `file:line:col: error: …` and gives the value and what would be legal.
#pragma once

#include "frontend/model_spec.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace vinci {

/// `model` is a model directory, or a config.json itself; generation_config.json and
/// quant_model_description.json are read if they stand beside it.
ModelSpec readHuggingFaceConfig(const std::filesystem::path &model);

/// The same from text. `fileName` is what messages call the config; the other files stand beside
/// it. The positions in ModelSpec::origins carry only the last component of the name.
ModelSpec parseHuggingFaceConfig(std::string_view configJson,
                                 std::optional<std::string_view> generationConfigJson,
                                 const std::string &fileName,
                                 std::optional<std::string> quantDescriptionJson = std::nullopt);

} // namespace vinci
