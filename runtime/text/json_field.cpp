#include "runtime/text/json_field.h"

namespace vinci {

JsonField JsonField::member(JsonValue value, std::string_view key) const {
  std::string name = quoteForMessage(key);
  name = name.substr(1, name.size() - 2);
  bool atRoot = path_ == "the document";
  JsonField field(value, atRoot ? name : path_ + "." + name);
  field.key_ = key;
  return field;
}

std::vector<JsonField> JsonField::elements() const {
  if (!isArray())
    failExpected("an array");
  std::vector<JsonField> fields;
  for (JsonValue element : value_.elements())
    fields.emplace_back(element, fmt::format("{}[{}]", path_, fields.size()));
  return fields;
}

std::vector<JsonField> JsonField::members() const {
  if (!isObject())
    failExpected("an object");
  std::vector<JsonField> fields;
  for (const auto &[key, value] : value_.members())
    fields.push_back(member(value, key.toText("key")));
  return fields;
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  if (!isObject())
    failExpected("an object");
  std::optional<JsonValue> value = value_.find(key);
  return value ? std::optional(member(*value, key)) : std::nullopt;
}

std::optional<JsonField> JsonField::findNonNull(std::string_view key) const {
  std::optional<JsonField> field = find(key);
  return field && !field->isNull() ? field : std::nullopt;
}

JsonField JsonField::at(std::string_view key) const {
  if (std::optional<JsonField> field = find(key))
    return *field;
  fail("{} is missing", quoteForMessage(key));
}

bool JsonField::flag(std::string_view key, bool absent) const {
  std::optional<JsonField> field = findNonNull(key);
  return field ? field->boolean() : absent;
}

nlohmann::ordered_json toOrderedJson(const JsonValue &value) {
  switch (value.kind()) {
  case JsonKind::Null:
    return nullptr;
  case JsonKind::Boolean:
    return value.toBoolean("value");
  case JsonKind::Integer:
    return value.toInteger("value");
  case JsonKind::Number:
    return value.toNumber("value");
  case JsonKind::String:
    return std::string(value.toText("value"));
  case JsonKind::Array: {
    nlohmann::ordered_json array = nlohmann::ordered_json::array();
    for (JsonValue element : value.elements())
      array.push_back(toOrderedJson(element));
    return array;
  }
  case JsonKind::Object: {
    // Appended directly: operator[] would look for each key among all those before it, and the
    // reader has already refused keys given twice.
    nlohmann::ordered_json::object_t object;
    for (const auto &[key, member] : value.members())
      object.Container::emplace_back(std::string(key.toText("key")), toOrderedJson(member));
    return object;
  }
  }
  return nullptr;
}

} // namespace vinci
