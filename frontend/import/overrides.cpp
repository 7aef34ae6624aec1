#include "frontend/import/overrides.h"

#include "frontend/mindie/config_json.h"

#include <nlohmann/json.hpp>

namespace vinci {

/// Lists are written as JSON has them; all else may stand without quotes.
static JsonDocument valueOf(std::string_view text) {
  const bool isList = text.starts_with('[');
  return JsonDocument::parse(isList ? std::string(text) : nlohmann::json(text).dump(), "--set");
}

void applyOverrides(Import &import, const std::vector<std::string> &overrides) {
  for (const std::string &item : overrides) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos)
      fail("--set '{}' has no value; name=value is expected", item);
    const std::string name = item.substr(0, equals);
    const SettingRule *rule = findSettingRule(name);
    if (const std::string_view setting = settingOfMindieKey(name); !rule && !setting.empty())
      rule = &settingRule(setting);
    if (!rule)
      fail("--set '{}': there is no setting {}; `vinci import MODEL` shows those of a deployment, "
           "and keys of MindIE's config.json are understood, too",
           item, name);
    // What was said before is replaced, not contradicted.
    visitSetting(*rule, import.resolved, [](auto &setting) { setting = {}; });
    const JsonDocument value = valueOf(std::string_view(item).substr(equals + 1));
    assign(import, *rule, value.root(), name, Authority::Deployment, Spelling::Textual);
  }
}

} // namespace vinci
