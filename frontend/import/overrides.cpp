#include "frontend/import/overrides.h"

#include "frontend/mindie/config_json.h"
#include "frontend/quantization.h"

#include <nlohmann/json.hpp>

namespace vinci {

/// Lists are written as JSON has them; all else may stand without quotes.
static JsonDocument valueOf(std::string_view text) {
  const bool isList = text.starts_with('[');
  return JsonDocument::parse(isList ? std::string(text) : nlohmann::json(text).dump(), "--set");
}

/// A model that is cut keeps the schemes of the layers that it keeps.
static void cutLayerSchemes(ModelSettings &model, int64_t layersBefore) {
  if (!model.layerSchemes || *model.numHiddenLayers >= layersBefore)
    return;
  QuantSpec quant = parseLayerRuns(*model.layerSchemes, layersBefore, model.layerSchemes.origin);
  quant.layers.resize(size_t(*model.numHiddenLayers));
  model.layerSchemes.value = layerRuns(quant);
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
    const int64_t layersBefore = import.resolved.model.numHiddenLayers.valueOr(0);
    // What was said before is replaced, not contradicted.
    visitSetting(*rule, import.resolved, [](auto &setting) { setting = {}; });
    const JsonDocument value = valueOf(std::string_view(item).substr(equals + 1));
    assign(import, *rule, value.root(), name, Authority::Deployment, Spelling::Textual);
    if (rule == findSettingRule("model.num_hidden_layers"))
      cutLayerSchemes(import.resolved.model, layersBefore);
  }
}

} // namespace vinci
