// What to import: the files that describe a model and how it is run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vinci {

struct ImportRequest {
  /// Model directories (config.json, deployment.json) and files. A deployment.json brings the files
  /// that it names, and its directory's config.json.
  std::vector<std::filesystem::path> files;
  /// A serve command or its flags, as text; empty: none.
  std::string serveFlags = {};
  /// A target's name that overrules the files'; empty: none.
  std::string target = {};
  /// `name=value`, a setting in place of what the files say of it; by its own name or by that in
  /// MindIE's config.json, with or without the section.
  std::vector<std::string> overrides = {};
  /// Contradictions are errors.
  bool strict = false;
};

} // namespace vinci
