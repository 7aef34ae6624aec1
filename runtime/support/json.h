// A JSON reader that knows where everything stands, for files that people write and files that
// nobody should trust.
//
// A JsonDocument owns the text and a flat tree of 16-byte nodes; a JsonValue is a small handle into
// it and is valid as long as its document lives (moving the document keeps handles valid). The
// grammar is nlohmann-json's strict one; on top of it this reader refuses, each with
// `file:line:col: error: …`: nesting beyond JsonLimits::maxDepth, texts beyond maxBytes, trees
// beyond maxValues, a key that stands twice in one object, NaN and Infinity, numbers that do not
// fit a double, ill-formed UTF-8, and anything after the value. A leading byte order mark is
// skipped.
//
// The typed getters are for configs: `root.find("hidden_size")->toInteger("hidden_size", 1, 1 <<
// 20)` gives the integer or fails with `config.json:7:18: error: hidden_size is "abc" (a string);
// an integer from 1 to 1048576 is expected`.
#pragma once

#include "runtime/support/error.h"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vinci {

struct JsonLimits {
  size_t maxBytes = size_t(256) << 20;
  size_t maxValues = size_t(1) << 25; ///< keys and values together; bounds the tree at 512 MiB
  unsigned maxDepth = 128;            ///< arrays and objects around a value
};

/// Integer: fits int64. Number: everything else that fits a double, also integers beyond int64.
enum class JsonKind : uint8_t { Null, Boolean, Integer, Number, String, Array, Object };

struct JsonTree; // json.cpp

class JsonValue {
public:
  JsonKind kind() const;
  bool isNull() const { return kind() == JsonKind::Null; }
  bool isString() const { return kind() == JsonKind::String; }
  bool isInteger() const { return kind() == JsonKind::Integer; }
  bool isArray() const { return kind() == JsonKind::Array; }
  bool isObject() const { return kind() == JsonKind::Object; }

  /// Where the value starts; columns count bytes. Costs a scan of the text: meant for messages, not
  /// for loops.
  SourcePosition position() const;

  /// Elements of an array, members of an object, 0 for anything else.
  size_t size() const;
  /// The elements of an array; empty for anything else.
  std::vector<JsonValue> elements() const;
  /// The members of an object in the order of the file; empty for anything else. Keys are string
  /// values.
  std::vector<std::pair<JsonValue, JsonValue>> members() const;
  /// The member called `key`; nullopt when there is none or when this is no object. Linear in the
  /// number of members.
  std::optional<JsonValue> find(std::string_view key) const;

  // The typed getters fail at position() when the value is of another kind or out of range; `name`
  // begins the message.
  bool toBoolean(std::string_view name) const;
  int64_t toInteger(std::string_view name, int64_t minimum = std::numeric_limits<int64_t>::min(),
                    int64_t maximum = std::numeric_limits<int64_t>::max()) const;
  /// Any number, integers included.
  double toNumber(std::string_view name) const;
  /// The text, unescaped; valid as long as the document.
  std::string_view toText(std::string_view name) const;

  /// The value as a message shows it: `"abc"`, `null`, `12`, `an array of 3`, cut to a
  /// few dozen bytes.
  std::string describe() const;
  /// Fails at position(): `name is <describe()>; <expected> is expected`, with ` (a string)` behind
  /// a string.
  [[noreturn]] void failExpected(std::string_view name, std::string_view expected) const;

private:
  friend class JsonDocument;
  JsonValue(const JsonTree *tree, uint32_t index) : tree_(tree), index_(index) {}

  const JsonTree *tree_;
  uint32_t index_;
};

class JsonDocument {
public:
  /// Parses `text`; `fileName` is what messages call it.
  static JsonDocument parse(std::string text, std::string fileName, const JsonLimits &limits = {});
  /// Reads and parses a file. Fails when it does not exist, is a directory, cannot be read or is
  /// too large.
  static JsonDocument read(const std::filesystem::path &path, const JsonLimits &limits = {});

  JsonDocument(JsonDocument &&) noexcept;
  JsonDocument &operator=(JsonDocument &&) noexcept;
  ~JsonDocument();

  JsonValue root() const;
  const std::string &fileName() const;
  /// The text it was parsed from, comments of YAML included.
  const std::string &text() const;

private:
  friend class JsonTreeBuilder;
  explicit JsonDocument(std::unique_ptr<JsonTree> tree);

  std::unique_ptr<JsonTree> tree_;
};

/// Reads a whole text file of at most `maxBytes`; fails naming the file, and the limit where it is
/// that.
std::string readTextFile(const std::filesystem::path &path, size_t maxBytes);

/// `text` in double quotes for a message: control bytes and ill-formed UTF-8 become `?`, long texts
/// are cut with `…`.
std::string quoteForMessage(std::string_view text, size_t maxBytes = 48);

} // namespace vinci
