#include "frontend/huggingface/config_reader.h"

namespace vinci {

std::optional<JsonValue> ConfigReader::find(std::string_view key) {
  read_.emplace(key);
  std::optional<JsonValue> value = object_.find(key);
  if (!value || value->isNull())
    return std::nullopt;
  recordOrigin(key, *value);
  return value;
}

void ConfigReader::recordOrigin(std::string_view key, const JsonValue &value) {
  SourcePosition position = value.position();
  position.file = relativeName_;
  spec_.origins.insert_or_assign(std::string(key), position);
}

void ConfigReader::warn(const JsonValue &value, std::string message) {
  if (spec_.warnings.size() < mostWarnings)
    spec_.warnings.push_back({value.position(), std::move(message)});
  else if (spec_.warnings.size() == mostWarnings)
    spec_.warnings.push_back({value.position(), "further warnings are not shown"});
}

JsonValue ConfigReader::require(std::string_view key) {
  if (std::optional<JsonValue> value = find(key))
    return *value;
  std::optional<JsonValue> null = object_.find(key);
  fail((null ? *null : object_).position(), "{} is {}; it must be given", key,
       null ? "null" : "missing");
}

int64_t ConfigReader::integer(std::string_view key, int64_t minimum, int64_t maximum) {
  return require(key).toInteger(key, minimum, maximum);
}

int64_t ConfigReader::integerOr(std::string_view key, int64_t absent, int64_t minimum,
                                int64_t maximum) {
  std::optional<JsonValue> value = find(key);
  return value ? value->toInteger(key, minimum, maximum) : absent;
}

bool ConfigReader::booleanOr(std::string_view key, bool absent) {
  std::optional<JsonValue> value = find(key);
  return value ? value->toBoolean(key) : absent;
}

double ConfigReader::numberOr(std::string_view key, double absent, double minimum, double maximum) {
  std::optional<JsonValue> value = find(key);
  return value ? numberInRange(*value, key, minimum, maximum) : absent;
}

/// Equal scalars: the same text, or the same number.
static bool sameScalar(const JsonValue &a, const JsonValue &b) {
  if (a.isString() && b.isString())
    return a.toText("") == b.toText("");
  auto isNumber = [](const JsonValue &value) {
    return value.kind() == JsonKind::Integer || value.kind() == JsonKind::Number;
  };
  return isNumber(a) && isNumber(b) && a.toNumber("") == b.toNumber("");
}

std::optional<SpelledValue> findEitherSpelling(ConfigReader &reader, std::string_view modern,
                                               std::string_view old) {
  std::optional<JsonValue> first = reader.find(modern);
  std::optional<JsonValue> second = reader.find(old);
  if (first && second && !sameScalar(*first, *second))
    fail(second->position(), "{} is {} but {}, the other spelling of the same thing, is {}", old,
         second->describe(), modern, first->describe());
  if (first)
    return SpelledValue{*first, modern};
  if (second)
    return SpelledValue{*second, old};
  return std::nullopt;
}

double numberInRange(const JsonValue &value, std::string_view name, double minimum,
                     double maximum) {
  double number = value.toNumber(name);
  if (!(number >= minimum && number <= maximum))
    value.failExpected(name, fmt::format("a number from {} to {}", minimum, maximum));
  return number;
}

} // namespace vinci
