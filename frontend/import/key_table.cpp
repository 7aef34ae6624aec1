#include "frontend/import/key_table.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace vinci {

/// Letters to insert, remove, replace or swap with their neighbour.
static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::string_view nearestName(std::string_view name, std::span<const std::string_view> candidates) {
  std::string_view nearest;
  size_t least = std::min<size_t>(3, (name.size() + 2) / 3);
  if (name.size() > 128)
    return nearest;
  for (std::string_view candidate : candidates)
    if (size_t difference =
            std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
        difference >= least)
      continue; // cannot be nearer
    else if (size_t distance = editDistance(name, candidate); distance < least) {
      least = distance;
      nearest = candidate;
    }
  return nearest;
}

std::optional<JsonValue> findAt(const JsonValue &object, std::string_view path) {
  std::optional<JsonValue> found = object;
  while (found && !path.empty()) {
    const size_t end = std::min(path.find('.'), path.size());
    found = found->find(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return found && !found->isNull() ? found : std::nullopt;
}

JsonValue requireAt(const JsonValue &object, std::string_view path, std::string_view expected) {
  if (std::optional<JsonValue> value = findAt(object, path))
    return *value;
  fail(object.position(), "{} is missing; {} is expected", path, expected);
}

/// Scalars; mappings and lists have no second spelling.
static bool sameScalar(const JsonValue &a, const JsonValue &b) {
  if (a.isString() && b.isString())
    return a.toText("") == b.toText("");
  const auto isNumber = [](const JsonValue &value) {
    return value.isInteger() || value.kind() == JsonKind::Number;
  };
  if (isNumber(a) && isNumber(b))
    return a.toNumber("") == b.toNumber("");
  return a.kind() == b.kind() && a.describe() == b.describe();
}

void requireAgreement(const JsonValue &object, std::span<const TwoSpellings> pairs) {
  for (const TwoSpellings &pair : pairs) {
    const auto first = findAt(object, pair.first), second = findAt(object, pair.second);
    if (!first || !second || sameScalar(*first, *second))
      continue;
    const auto name = [](std::string_view path) { return path.substr(path.rfind('.') + 1); };
    fail(second->position(), "{} is {}, but {}, the same value, is {} at {}; one is expected",
         name(pair.second), second->describe(), name(pair.first), first->describe(),
         toString(first->position()));
  }
}

void KeyReader::read(const JsonValue &object, std::span<const KeyRule> rules) {
  if (!object.isObject())
    object.failExpected(format_, "a mapping of keys");
  readObject(object, "", rules);
}

void KeyReader::readObject(const JsonValue &object, const std::string &prefix,
                           std::span<const KeyRule> rules) {
  for (const auto &[key, value] : object.members()) {
    const std::string path = prefix + std::string(key.toText("a key"));
    const auto rule = std::ranges::find(rules, path, &KeyRule::path);
    if (rule != rules.end()) {
      apply(*rule, value, key.toText("a key"));
      continue;
    }
    const std::string inside = path + ".";
    const bool isPrefix = std::ranges::any_of(
        rules, [&](const KeyRule &other) { return other.path.starts_with(inside); });
    if (!isPrefix)
      unknown(object, key, prefix, rules);
    else if (value.isObject())
      readObject(value, inside, rules);
    else if (!value.isNull())
      value.failExpected(path, "a mapping of keys");
  }
}

void KeyReader::apply(const KeyRule &rule, const JsonValue &value, std::string_view key) {
  if (value.isNull())
    return;
  if (rule.read)
    rule.read(*this, value, key);
  else if (!rule.values.empty())
    assignNamed(rule.setting, value, key, rule.values);
  else if (!rule.setting.empty())
    assign(rule.setting, value, key);
}

void KeyReader::unknown(const JsonValue &object, const JsonValue &key, const std::string &prefix,
                        std::span<const KeyRule> rules) {
  const std::string_view name = key.toText("a key");
  std::vector<std::string_view> absent;
  for (const KeyRule &rule : rules) {
    if (!rule.path.starts_with(prefix))
      continue;
    std::string_view known = rule.path.substr(prefix.size());
    known = known.substr(0, known.find('.'));
    if (!object.find(known))
      absent.push_back(known);
  }
  if (std::string_view meant = nearestName(name, absent); !meant.empty())
    fail(key.position(), "{} is not a key of {}; did you mean {}?", quoteForMessage(name), format_,
         meant);
  report(FindingKind::Unknown, key, "{} is not a key of {} that Vinci knows and is ignored",
         quoteForMessage(prefix + std::string(name)), format_);
}

void KeyReader::assignNamed(std::string_view setting, const JsonValue &value, std::string_view key,
                            std::span<const ValueName> values) {
  const std::string text = value.isString() ? std::string(value.toText(key)) : value.describe();
  const auto named = std::ranges::find(values, text, &ValueName::theirs);
  if (named == values.end()) {
    std::vector<std::string_view> legal;
    for (const ValueName &name : values)
      legal.push_back(name.theirs);
    value.failExpected(key, fmt::format("one of {}", fmt::join(legal, ", ")));
  }
  if (setting.empty() || named->ours.empty())
    return;
  const SettingRule &rule = settingRule(setting);
  if (std::holds_alternative<Setting<bool> &(*)(Resolved &)>(rule.access))
    assignMeaning(setting, value, key, named->ours == "true");
  else
    assignText(import_, rule, std::string(named->ours), value.position(), authority_);
}

} // namespace vinci
