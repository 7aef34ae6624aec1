// Where things are that come with the binary or belong to the user.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vinci {

/// The folder of the running binary.
std::filesystem::path executableDirectory();

/// The folder of the models that ship with Vinci: `share/vinci/models` beside the binary's folder.
std::filesystem::path shippedModelsDirectory();

/// The shipped models, sorted by name; each is a folder with a config.json.
std::vector<std::string> shippedModels();

/// The model that is used where none is named.
inline constexpr const char *defaultModel = "austen-qwen3";

/// `$VINCI_CACHE_DIR`, else `$XDG_CACHE_HOME/vinci`, else `$HOME/.cache/vinci`; empty if none of
/// them is set.
std::filesystem::path findCacheDirectory();
/// The same; throws Error if none of them is set.
std::filesystem::path cacheDirectory();

/// The folder that `file` is in; `.` for a bare name.
std::filesystem::path folderOf(const std::filesystem::path &file);

} // namespace vinci
