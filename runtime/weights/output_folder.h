// The folder that a new checkpoint goes into, over several runs if the first ones are interrupted.
//
// While work goes on it holds `.unfinished`, with a text that says what the work is: a run that
// would do the same goes on, any other is refused.
#pragma once

#include "runtime/support/dtype.h"

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vinci {

class OutputFolder {
public:
  /// Makes the folder, or takes up one in which work on the same `task` was interrupted. `task`
  /// says all that decides over the result. Throws Error if `path` is `source` or holds anything
  /// else.
  OutputFolder(std::filesystem::path path, const std::filesystem::path &source,
               std::string_view task);

  const std::filesystem::path &path() const { return path_; }
  /// A folder for what only the work needs.
  std::filesystem::path work() const { return path_ / ".unfinished"; }
  /// Removes work().
  void finish();

private:
  std::filesystem::path path_;
};

struct CopiedFiles {
  std::vector<std::string> copied;    ///< by name, sorted
  std::vector<std::string> leftAlone; ///< weights in other formats, folders, hidden files
};

/// Copies what a model's folder holds beside its weights: tokenizer, generation_config.json, code,
/// texts. `except` are names that the caller writes himself; they are in neither list, and neither
/// are safetensors files and their index.
CopiedFiles copyOtherFiles(const std::filesystem::path &from, const std::filesystem::path &to,
                           const std::set<std::string> &except);

/// config.json of a model's folder for weights in `dtype` and, if `untied`, with a head of their
/// own. Nothing else changes: runtime/support/json_edit.h.
void copyConfig(const std::filesystem::path &from, const std::filesystem::path &to, DType dtype,
                bool untied = false);

} // namespace vinci
