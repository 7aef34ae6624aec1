// The compile options that `compile`, `run` and `eval` share.
#pragma once

#include "tools/compiler/compiler.h"

#include <CLI/CLI.hpp>

namespace vinci {

/// The flags as the user gave them; checked and converted by `toCompileOptions`.
struct CompileFlags {
  std::string dtype;
  std::string precision;
  std::string cpu = "native";
  std::optional<int64_t> maxSeqLen;
  std::optional<int64_t> maxTokensPerStep;
  std::optional<int64_t> maxBatch;
  std::optional<int64_t> kvBlocks;
  std::optional<int64_t> blockSize;
  std::optional<int64_t> maxLogitRows;
  std::string serveFlags;
  std::string target;
  std::string passes;
  std::string graphMode, graphSizes;
  std::vector<std::string> set; ///< settings of the deployment, name=value
  RequestedDegrees degrees;
  std::optional<bool> sequenceParallel;
  std::string dynamicScales; ///< row or rank
  bool strict = false;
  bool noCache = false;

  /// True if any flag was given that changes what is compiled; a finished plan cannot take one.
  bool any() const;
};

/// Adds the flags to `command` under the heading "Compile options".
void addCompileFlags(CLI::App &command, CompileFlags &flags);

/// Adds --passes alone, which addCompileFlags has among the others.
void addPassesFlag(CLI::App &command, std::string &passes);

/// The passes that `text`, the value of --passes, switches on or off. Throws Error for a name that
/// is none of a pass that can be switched.
std::map<std::string, bool> parsePasses(std::string_view text);

/// Throws Error for a dtype, a precision, a cpu, a pass or a graph mode that does not exist, and
/// for a dtype and a precision that contradict each other. Limits are checked by the compiler,
/// which knows the model.
CompileOptions toCompileOptions(const CompileFlags &flags);

/// What to import for a model at `path`, a directory or a file. Graph flags and --set are overrides
/// of its deployment.
ImportRequest toImportRequest(const std::filesystem::path &path, const CompileFlags &flags);

/// The options as one canonical line, for cache keys.
std::string canonicalText(const ImportRequest &request, const CompileOptions &options);

} // namespace vinci
