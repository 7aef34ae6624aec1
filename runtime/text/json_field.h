// A JSON value together with the path that leads to it, so that messages can say
// `model.merges[17]`. Internal to runtime/text.
#pragma once

#include "runtime/support/json.h"

#include <nlohmann/json.hpp>

namespace vinci {

/// Valid as long as the JsonDocument.
class JsonField {
public:
  explicit JsonField(const JsonDocument &document)
      : value_(document.root()), path_("the document") {}
  JsonField(JsonValue value, std::string path) : value_(value), path_(std::move(path)) {}

  const JsonValue &value() const { return value_; }
  const std::string &path() const { return path_; }
  /// The last step of the path: a member's key, or empty.
  std::string_view key() const { return key_; }

  bool isNull() const { return value_.isNull(); }
  bool isString() const { return value_.isString(); }
  bool isArray() const { return value_.isArray(); }
  bool isObject() const { return value_.isObject(); }

  // The value, or an error that says what stands there instead.
  std::string_view string() const { return value_.toText(path_); }
  bool boolean() const { return value_.toBoolean(path_); }
  double number() const { return value_.toNumber(path_); }
  int64_t integer(int64_t minimum, int64_t maximum) const {
    return value_.toInteger(path_, minimum, maximum);
  }
  std::vector<JsonField> elements() const;
  std::vector<JsonField> members() const;

  /// The member of that name, if this object has it.
  std::optional<JsonField> find(std::string_view key) const;
  /// find(), except that null counts as absent.
  std::optional<JsonField> findNonNull(std::string_view key) const;
  /// find(), or an error that the member is missing.
  JsonField at(std::string_view key) const;
  /// find() as a boolean; `absent` where there is none.
  bool flag(std::string_view key, bool absent) const;

  std::string describe() const { return value_.describe(); }
  SourcePosition position() const { return value_.position(); }

  /// Fails here, saying what the value is and what would be legal.
  [[noreturn]] void failExpected(std::string_view expected) const {
    value_.failExpected(path_, expected);
  }
  /// Fails here; the message is put after the path.
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args &&...args) const {
    throw Error(ErrorKind::User, position(),
                fmt::format("{}: {}", path_, fmt::format(format, std::forward<Args>(args)...)));
  }

private:
  JsonField member(JsonValue value, std::string_view key) const;

  JsonValue value_;
  std::string path_;
  std::string_view key_;
};

/// A copy of `value` that keeps the order of members.
nlohmann::ordered_json toOrderedJson(const JsonValue &value);

} // namespace vinci
