#include "runtime/serving/stack_profile.h"

#include "runtime/support/yaml.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vinci {

namespace {

struct Rule {
  std::string_view key;
  StackValue StackProfile::*value;
  std::string_view unit; ///< empty: a flag
  double minimum, maximum;
  bool whole;
};
constexpr Rule rules[] = {
    {"serving_gap", &StackProfile::servingGapUs, "us", 0, 1e6, false},
    {"launch_per_op", &StackProfile::launchUsPerOp, "us", 0, 1e4, false},
    {"captured_attention", &StackProfile::attentionUs, "us", 0, 1e4, false},
    {"tokenizer", &StackProfile::tokenizerUs, "us", 0, 1e7, false},
    {"tokenizer_processes", &StackProfile::tokenizerProcesses, "processes", 1, 1024, true},
    {"detokenizer_per_token", &StackProfile::detokenizerUsPerToken, "us", 0, 1e6, false},
    {"prefill_host_bound", &StackProfile::prefillHostBound, "", 0, 1, true},
    {"captures_decode", &StackProfile::capturesDecode, "", 0, 1, true},
    {"async", &StackProfile::async, "", 0, 1, true},
    {"async_hides", &StackProfile::asyncHidesUs, "us", 0, 1e6, false},
    {"group_handover", &StackProfile::groupHandoverUs, "us", 0, 1e4, false},
    {"jitter_bound", &StackProfile::jitterBoundUs, "us", 0, 1e5, false},
    {"jitter_unbound", &StackProfile::jitterUnboundUs, "us", 0, 1e5, false},
    {"prefill_batch_bound", &StackProfile::prefillBatchBound, "requests", 0, 5000, true},
    {"decode_batch_bound", &StackProfile::decodeBatchBound, "requests", 0, 5000, true},
};
constexpr std::string_view texts[] = {"name", "description", "scheduler"};

constexpr std::string_view tagNames[] = {"measured", "documented", "fitted", "estimate"};

template <typename Keys> void refuseUnknown(JsonValue object, std::string_view name, Keys &&keys) {
  if (!object.isObject())
    object.failExpected(name, "a mapping");
  for (const auto &[key, value] : object.members())
    if (std::ranges::find(keys, key.toText("a key")) == std::ranges::end(keys))
      fail(key.position(), "unknown key {} in {}; legal are {}", key.describe(), name,
           fmt::join(keys, ", "));
}

JsonValue require(JsonValue object, std::string_view name, std::string_view key) {
  const std::optional<JsonValue> value = object.find(key);
  if (!value)
    fail(object.position(), "{} has no {}", name, key);
  return *value;
}

std::string readText(JsonValue object, std::string_view name, std::string_view key) {
  const JsonValue value = require(object, name, key);
  if (!value.isString() || value.toText(key).empty())
    value.failExpected(key, "a text");
  return std::string(value.toText(key));
}

double readNumber(const Rule &rule, JsonValue value, std::string_view name) {
  if (rule.unit.empty())
    return value.toBoolean(name) ? 1 : 0;
  const double number = value.toNumber(name);
  if (!(number >= rule.minimum && number <= rule.maximum) ||
      (rule.whole && number != std::floor(number)))
    value.failExpected(
        name, fmt::format("{} {} from {} to {}", rule.whole ? "a whole number" : "a number",
                          fmt::format("of {}", rule.unit), rule.minimum, rule.maximum));
  return number;
}

StackValue readValue(const Rule &rule, JsonValue object) {
  constexpr std::array<std::string_view, 6> keys = {"value", "unit", "low",
                                                    "high",  "tag",  "source"};
  refuseUnknown(object, rule.key, keys);
  StackValue result;
  result.value = readNumber(rule, require(object, rule.key, "value"), rule.key);
  const std::optional<JsonValue> unit = object.find("unit");
  if (rule.unit.empty() ? unit.has_value() : !unit)
    fail(object.position(), "{} has {} unit; {} is expected", rule.key, unit ? "a" : "no",
         rule.unit.empty() ? "none" : rule.unit);
  if (unit && unit->toText("unit") != rule.unit)
    unit->failExpected(fmt::format("the unit of {}", rule.key), rule.unit);
  result.low = result.high = result.value;
  const std::optional<JsonValue> low = object.find("low"), high = object.find("high");
  if (low.has_value() != high.has_value())
    fail(object.position(), "{} has only one of low and high", rule.key);
  if (low) {
    result.low = readNumber(rule, *low, fmt::format("low of {}", rule.key));
    result.high = readNumber(rule, *high, fmt::format("high of {}", rule.key));
    if (result.low > result.value || result.high < result.value)
      fail(low->position(), "{} is {}, which is not from {} to {}, its low and high", rule.key,
           result.value, result.low, result.high);
  }
  const JsonValue tag = require(object, rule.key, "tag");
  const auto found = std::ranges::find(tagNames, tag.toText("tag"));
  if (found == std::end(tagNames))
    tag.failExpected(fmt::format("the tag of {}", rule.key),
                     "one of measured, documented, fitted, estimate");
  result.tag = StackTag(found - std::begin(tagNames));
  result.source = readText(object, rule.key, "source");
  return result;
}

} // namespace

std::string_view toString(StackTag tag) {
  return tagNames[size_t(tag)];
}

StackProfile parseStackProfile(std::string text, std::string fileName) {
  const JsonDocument document = parseYaml(std::move(text), std::move(fileName));
  const JsonValue root = document.root();
  std::vector<std::string_view> keys(std::begin(texts), std::end(texts));
  for (const Rule &rule : rules)
    keys.push_back(rule.key);
  refuseUnknown(root, "a stack profile", keys);
  StackProfile profile;
  profile.name = readText(root, "the profile", "name");
  profile.description = readText(root, "the profile", "description");
  profile.scheduler = readText(root, "the profile", "scheduler");
  if (profile.scheduler != "mindie" && profile.scheduler != "vllm")
    root.find("scheduler")->failExpected("scheduler", "mindie or vllm");
  for (const Rule &rule : rules)
    profile.*rule.value = readValue(rule, require(root, "the profile", rule.key));
  if (profile.asyncHidesUs.value > profile.servingGapUs.value)
    fail(require(root, "the profile", "async_hides").position(),
         "async_hides is {}, more than serving_gap, {}, which it is a part of",
         profile.asyncHidesUs.value, profile.servingGapUs.value);
  return profile;
}

StackProfile readStackProfile(const std::string &path) {
  return parseStackProfile(readTextFile(path, size_t(1) << 20), path);
}

/// A scalar that YAML reads as this text, whatever is in it.
static std::string quoted(const std::string &text) {
  std::string result = "\"";
  for (char c : text)
    result += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return result + "\"";
}

std::string stackProfileYaml(const StackProfile &profile) {
  std::string text = fmt::format("name: {}\ndescription: {}\nscheduler: {}\n", quoted(profile.name),
                                 quoted(profile.description), profile.scheduler);
  for (const Rule &rule : rules) {
    const StackValue &value = profile.*rule.value;
    const auto number = [&](double of) {
      return rule.unit.empty() ? std::string(of != 0 ? "true" : "false") : fmt::format("{}", of);
    };
    text += fmt::format("{}:\n  value: {}\n", rule.key, number(value.value));
    if (!rule.unit.empty())
      text += fmt::format("  unit: {}\n", rule.unit);
    if (value.low != value.value || value.high != value.value)
      text += fmt::format("  low: {}\n  high: {}\n", number(value.low), number(value.high));
    text += fmt::format("  tag: {}\n  source: {}\n", toString(value.tag), quoted(value.source));
  }
  return text;
}

const std::vector<StackProfile> &stackProfiles() {
  static const std::vector<StackProfile> profiles = [] {
    std::vector<StackProfile> result;
    for (const StackFile &file : stackFiles())
      result.push_back(parseStackProfile(std::string(file.text), std::string(file.name)));
    return result;
  }();
  return profiles;
}

const StackProfile &stackProfile(std::string_view name) {
  std::string names;
  for (const StackProfile &profile : stackProfiles()) {
    if (profile.name == name)
      return profile;
    names += (names.empty() ? "" : ", ") + profile.name;
  }
  fail("there is no stack {}; there are {}", quoteForMessage(name), names);
}

} // namespace vinci
