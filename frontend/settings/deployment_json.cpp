#include "frontend/settings/deployment_json.h"
#include "frontend/import/key_table.h"

#include <algorithm>
#include <charconv>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace vinci {

static constexpr std::string_view versionKey = "vinci_deployment";

bool looksLikeDeploymentJson(const JsonValue &root) {
  return root.find(versionKey).has_value();
}

/// "f.json:3:5" as a place; anything else is a file, or words.
static SourcePosition parsePosition(std::string text) {
  SourcePosition position{std::move(text)};
  for (uint32_t *number : {&position.column, &position.line}) {
    const size_t colon = position.file.rfind(':');
    if (colon == std::string::npos || colon == 0)
      break;
    const char *begin = position.file.data() + colon + 1;
    const char *end = position.file.data() + position.file.size();
    uint32_t value = 0;
    if (auto [rest, error] = std::from_chars(begin, end, value);
        begin == end || error != std::errc() || rest != end)
      break;
    *number = value;
    position.file.resize(colon);
  }
  if (position.line == 0) // one number alone is a line
    std::swap(position.line, position.column);
  return position;
}

namespace {

FindingKind parseKind(const JsonValue &value) {
  for (FindingKind kind :
       {FindingKind::Contradiction, FindingKind::Unknown, FindingKind::NoEffect, FindingKind::Note})
    if (value.isString() && value.toText("kind") == toString(kind))
      return kind;
  value.failExpected("kind", "one of contradiction, unknown, no-effect, note");
}

void readFindings(Import &import, const JsonValue &list) {
  if (!list.isArray())
    list.failExpected("findings", "a list");
  for (const JsonValue &finding : list.elements()) {
    const auto kind = finding.find("kind"), at = finding.find("at"), text = finding.find("message");
    if (!kind || !at || !text)
      finding.failExpected("a finding", "an object with kind, at and message");
    import.findings.add(parseKind(*kind), parsePosition(std::string(at->toText("at"))),
                        std::string(text->toText("message")));
  }
}

/// A plain value, or {"value": …, "origin": "…"}.
void readSetting(Import &import, const SettingRule &rule, const JsonValue &value) {
  if (!value.isObject())
    return assign(import, rule, value, rule.key(), Authority::Deployment);
  const auto stored = value.find("value"), origin = value.find("origin");
  if (!stored || !origin || value.size() != 2)
    value.failExpected(rule.key(), "a value, or an object with value and origin");
  assign(import, rule, *stored, rule.key(), Authority::Deployment);
  visitSetting(rule, import.resolved, [&](auto &setting) {
    setting.origin = parsePosition(std::string(origin->toText("origin")));
  });
}

void readSection(Import &import, std::string_view section, const JsonValue &object) {
  if (!object.isObject())
    object.failExpected(section, "an object of settings");
  std::vector<std::string_view> names;
  for (const SettingRule &rule : settingRules())
    if (rule.section() == section)
      names.push_back(rule.key());
  for (const auto &[key, value] : object.members()) {
    const std::string_view name = key.toText("a key");
    if (std::ranges::find(names, name) == names.end()) {
      const std::string_view meant = nearestName(name, names);
      fail(key.position(), "{} is no setting of {}{}", quoteForMessage(name), section,
           meant.empty() ? fmt::format("; there are {}", fmt::join(names, ", "))
                         : fmt::format("; did you mean {}?", meant));
    }
    if (!value.isNull())
      readSetting(import, settingRule(fmt::format("{}.{}", section, name)), value);
  }
}

std::vector<std::string_view> sections() {
  std::vector<std::string_view> names;
  for (const SettingRule &rule : settingRules())
    if (std::ranges::find(names, rule.section()) == names.end())
      names.push_back(rule.section());
  return names;
}

} // namespace

void readDeploymentJson(Import &import, const JsonDocument &document) {
  const JsonValue root = document.root();
  const JsonValue version = *root.find(versionKey);
  if (!version.isInteger() || version.toInteger(versionKey) != 1)
    version.failExpected(versionKey, "version 1");
  const std::vector<std::string_view> known = sections();
  for (const auto &[key, value] : root.members()) {
    const std::string_view name = key.toText("a key");
    if (name == versionKey || name == "from")
      continue;
    if (name == "findings")
      readFindings(import, value);
    else if (std::ranges::find(known, name) != known.end())
      readSection(import, name, value);
    else
      fail(key.position(), "{} is no section of a deployment; there are {}", quoteForMessage(name),
           fmt::join(known, ", "));
  }
}

std::vector<std::string> deploymentSources(const JsonValue &root) {
  std::vector<std::string> files;
  const auto from = root.find("from");
  if (!from)
    return files;
  if (!from->isArray())
    from->failExpected("from", "a list of file names");
  for (const JsonValue &name : from->elements()) {
    const std::string_view file = name.toText("from");
    if (file.empty() || file.find('/') != std::string_view::npos || file == "..")
      name.failExpected("from", "the name of a file in the same folder");
    files.emplace_back(file);
  }
  return files;
}

std::string writeDeploymentJson(const Import &import) {
  nlohmann::ordered_json root;
  root[versionKey] = 1;
  for (const SettingRule &rule : settingRules())
    visitSetting(rule, import.resolved, [&](const auto &setting) {
      if (setting)
        root[rule.section()][rule.key()] = {{"value", *setting},
                                            {"origin", toString(setting.origin)}};
    });
  root["findings"] = nlohmann::ordered_json::array();
  for (const Finding &finding : import.findings.list())
    root["findings"].push_back({{"kind", toString(finding.kind)},
                                {"at", toString(finding.position)},
                                {"message", finding.message}});
  return root.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

} // namespace vinci
