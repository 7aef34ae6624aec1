// The table of all settings: one row gives a setting its name in reports and files, its type, what
// is legal and what it means. Readers, the JSON form and the messages all work from it.
#pragma once

#include "frontend/deployment_spec.h"
#include "frontend/settings/model_settings.h"

#include <span>
#include <string_view>
#include <variant>

namespace vinci {

/// Everything that importing resolves.
struct Resolved {
  ModelSettings model;
  DeploymentSpec deployment;
};

/// How to get at a setting; the alternative is its type.
using SettingAccess =
    std::variant<Setting<bool> &(*)(Resolved &), Setting<int64_t> &(*)(Resolved &),
                 Setting<double> &(*)(Resolved &), Setting<std::string> &(*)(Resolved &),
                 Setting<std::vector<int64_t>> &(*)(Resolved &),
                 Setting<std::vector<std::string>> &(*)(Resolved &)>;

struct SettingRule {
  std::string_view name; ///< "section.setting", as reports and deployment.json spell it
  SettingAccess access;
  /// Of integers, numbers and the elements of lists.
  double minimum = 0, maximum = 0;
  /// What a text may be; empty: anything of at most 64 KiB.
  std::vector<std::string_view> choices = {};
  std::string_view meaning;
  /// Fails at `position`, calling the text `key`, if it does not mean what it should; null: any
  /// text does.
  void (*check)(std::string_view text, std::string_view key,
                const SourcePosition &position) = nullptr;

  std::string_view section() const { return name.substr(0, name.find('.')); }
  std::string_view key() const { return name.substr(name.find('.') + 1); }
};

/// All of them, by section, in the order in which reports show them.
std::span<const SettingRule> settingRules();

/// Internal error if there is none: names stand in tables, never in input.
const SettingRule &settingRule(std::string_view name);
/// The same for names from input; nullptr if there is none.
const SettingRule *findSettingRule(std::string_view name);

/// Calls visit(setting) with the typed setting behind `rule`.
template <typename Visitor>
auto visitSetting(const SettingRule &rule, Resolved &resolved, Visitor visit) {
  return std::visit([&](auto access) { return visit(access(resolved)); }, rule.access);
}
template <typename Visitor>
auto visitSetting(const SettingRule &rule, const Resolved &resolved, Visitor visit) {
  return std::visit(
      [&](auto access) { return visit(std::as_const(access(const_cast<Resolved &>(resolved)))); },
      rule.access);
}

} // namespace vinci
