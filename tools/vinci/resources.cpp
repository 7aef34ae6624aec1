#include "tools/vinci/resources.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <cstdlib>

namespace vinci {
namespace fs = std::filesystem;

fs::path executableDirectory() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error)
    failInternal("cannot read /proc/self/exe: {}", error.message());
  return self.parent_path();
}

fs::path shippedModelsDirectory() {
  return executableDirectory().parent_path() / "share" / "vinci" / "models";
}

std::vector<std::string> shippedModels() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(shippedModelsDirectory(), error))
    if (fs::exists(entry.path() / "config.json", error))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path findCacheDirectory() {
  auto variable = [](const char *name) {
    const char *value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (auto set = variable("VINCI_CACHE_DIR"); !set.empty())
    return set;
  if (auto xdg = variable("XDG_CACHE_HOME"); !xdg.empty())
    return fs::path(xdg) / "vinci";
  if (auto home = variable("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "vinci";
  return {};
}

fs::path cacheDirectory() {
  if (auto found = findCacheDirectory(); !found.empty())
    return found;
  fail("there is no cache folder: set VINCI_CACHE_DIR or HOME, or pass --no-cache");
}

std::filesystem::path folderOf(const std::filesystem::path &file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

} // namespace vinci
