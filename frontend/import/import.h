// From whatever files describe a model and its deployment to one ModelSpec and one DeploymentSpec.
//
// Files are told apart by what is in them, never by their names: Hugging Face config.json,
// MindFormers YAML, MindIE config.json, recipe YAML, serve flags as JSON, launch scripts and
// environment files, deployment.json. Where two say different things, the one of higher authority
// wins (setting.h) and a finding names both.
#pragma once

#include "frontend/import/request.h"
#include "frontend/settings/assign.h"

#include <optional>

namespace vinci {

struct Imported : Import {
  /// Absent where the files only name a model that is not here.
  std::optional<ModelSpec> model;
};

/// Reads, resolves and checks. Fails at its place on bad input.
Imported importFiles(const ImportRequest &request);

/// The same for the text of one file that says how a model is run, with nothing beside it. `name`
/// is what messages call it; its ending tells JSON and YAML from launch scripts.
Imported importText(std::string text, const std::string &name);

/// The model, or an error that says how to give one.
const ModelSpec &requireModel(const Imported &imported, const ImportRequest &request);

} // namespace vinci
