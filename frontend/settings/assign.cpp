#include "frontend/settings/assign.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/ranges.h>

namespace vinci {

std::string show(bool value) {
  return value ? "true" : "false";
}
std::string show(int64_t value) {
  return std::to_string(value);
}
std::string show(double value) {
  return fmt::format("{}", value);
}
std::string show(const std::string &value) {
  return quoteForMessage(value);
}
std::string show(const std::vector<int64_t> &value) {
  return fmt::format("[{}]", fmt::join(value, ", "));
}
std::string show(const std::vector<std::string> &value) {
  return fmt::format("{} texts", value.size());
}

namespace {

/// Reads JSON values as the types of settings; every failure names key, value and what is legal.
struct ValueReader {
  const SettingRule &rule;
  std::string_view key;
  Spelling spelling;

  void read(const JsonValue &value, bool &result) const {
    if (spelling == Spelling::Textual) {
      const std::string text = value.isString() ? std::string(value.toText(key)) : value.describe();
      for (std::string_view word : {"1", "true", "True", "on", "yes"})
        if (text == word)
          return void(result = true);
      for (std::string_view word : {"0", "false", "False", "off", "no"})
        if (text == word)
          return void(result = false);
      value.failExpected(key, "true or false");
    }
    result = value.toBoolean(key);
  }

  void read(const JsonValue &value, int64_t &result) const {
    const auto minimum = int64_t(rule.minimum), maximum = int64_t(rule.maximum);
    if (spelling == Spelling::Textual && value.isString()) {
      const std::string_view text = value.toText(key);
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
      if (error != std::errc() || end != text.data() + text.size() || result < minimum ||
          result > maximum)
        value.failExpected(key, fmt::format("an integer from {} to {}", minimum, maximum));
      return;
    }
    result = value.toInteger(key, minimum, maximum);
  }

  void read(const JsonValue &value, double &result) const {
    const std::string legal = fmt::format("a number from {} to {}", rule.minimum, rule.maximum);
    if (spelling == Spelling::Textual && value.isString()) {
      const std::string_view text = value.toText(key);
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
      if (error != std::errc() || end != text.data() + text.size())
        value.failExpected(key, legal);
    } else if (value.isInteger() || value.kind() == JsonKind::Number) {
      result = value.toNumber(key);
    } else {
      value.failExpected(key, legal);
    }
    if (!(result >= rule.minimum && result <= rule.maximum))
      value.failExpected(key, legal);
  }

  void read(const JsonValue &value, std::string &result) const {
    const auto &choices = rule.choices;
    if (choices.empty()) {
      result = value.toText(key);
      if (result.size() > 64 * 1024)
        fail(value.position(), "{} has {} bytes; at most 65536 are read", key, result.size());
      if (rule.check)
        rule.check(result, key, value.position());
      return;
    }
    if (!value.isString() || std::ranges::find(choices, value.toText(key)) == choices.end())
      value.failExpected(key, fmt::format("one of {}", fmt::join(choices, ", ")));
    result = value.toText(key);
  }

  static constexpr size_t mostElements = 4096;

  template <typename T> void read(const JsonValue &value, std::vector<T> &result) const {
    if constexpr (std::is_integral_v<T>)
      if (spelling == Spelling::Textual && value.isString())
        return readParts(value, result);
    if (!value.isArray() || value.size() > mostElements)
      value.failExpected(key, fmt::format("a list of at most {}", mostElements));
    for (const JsonValue &element : value.elements())
      read(element, result.emplace_back());
  }

  /// As in 0,1,2.
  void readParts(const JsonValue &value, std::vector<int64_t> &result) const {
    std::string_view left = value.toText(key);
    for (bool more = true; more;) {
      const size_t comma = left.find(',');
      const std::string_view part = left.substr(0, comma);
      more = comma != left.npos;
      left.remove_prefix(more ? comma + 1 : left.size());
      if (result.size() == mostElements)
        value.failExpected(key, fmt::format("a list of at most {}", mostElements));
      int64_t &number = result.emplace_back();
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
      if (error != std::errc() || end != part.data() + part.size() ||
          number < int64_t(rule.minimum) || number > int64_t(rule.maximum))
        value.failExpected(key, fmt::format("a list of integers from {} to {}, as 1,2,4",
                                            rule.minimum, rule.maximum));
    }
  }
};

} // namespace

void assign(Import &import, const SettingRule &rule, const JsonValue &value, std::string_view key,
            Authority authority, Spelling spelling) {
  const ValueReader reader{rule, key, spelling};
  visitSetting(rule, import.resolved, [&]<typename T>(Setting<T> &setting) {
    T read{};
    reader.read(value, read);
    settle(import.findings, key, setting, std::move(read), value.position(), authority);
  });
}

void assignText(Import &import, const SettingRule &rule, std::string text, SourcePosition origin,
                Authority authority) {
  Setting<std::string> &setting =
      std::get<Setting<std::string> &(*)(Resolved &)>(rule.access)(import.resolved);
  settle(import.findings, rule.key(), setting, std::move(text), std::move(origin), authority);
}

} // namespace vinci
