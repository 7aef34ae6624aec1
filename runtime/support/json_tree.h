// The flat tree behind JsonDocument and the builder that every reader of a syntax (JSON, YAML,
// command lines) fills it with. Internal to runtime/support and to readers of further syntaxes.
#pragma once

#include "runtime/support/json.h"

namespace vinci {

/// A text whose content stands in JsonTree::unescaped or, when the file had no escapes, in the
/// file's own text.
struct JsonSlice {
  uint32_t begin;
  uint32_t size;
};

/// The tree stands flat, in the order of the file: a container is followed by its descendants (an
/// object's keys are String nodes before their values) and knows where they end.
struct JsonExtent {
  uint32_t end;  ///< index of the first node behind the container
  uint32_t size; ///< elements or members
};

struct JsonNode {
  uint32_t offset : 29; ///< of the first byte, in the text (at most 256 MiB)
  uint32_t kind : 3;
  uint32_t unescaped = 0; ///< for a String: 1 if its slice is of JsonTree::unescaped
  union {
    bool boolean;
    int64_t integer;
    double number;
    JsonSlice slice;
    JsonExtent extent;
  };

  JsonNode(JsonKind kind, size_t offset)
      : offset(uint32_t(offset)), kind(uint32_t(kind)), integer(0) {}
  JsonKind jsonKind() const { return JsonKind(kind); }
};
static_assert(sizeof(JsonNode) == 16);

struct JsonTree {
  std::string fileName;
  std::string text;
  std::string unescaped;
  std::vector<JsonNode> nodes;

  SourcePosition positionOf(size_t offset) const;
  std::string_view string(const JsonNode &node) const {
    const std::string &source = node.unescaped ? unescaped : text;
    return std::string_view(source).substr(node.slice.begin, node.slice.size);
  }
  /// The node behind the value at `index`.
  uint32_t next(uint32_t index) const {
    const JsonNode &node = nodes[index];
    bool container = node.jsonKind() == JsonKind::Array || node.jsonKind() == JsonKind::Object;
    return container ? node.extent.end : index + 1;
  }
};

/// Appends values in the order of the text. In an object, keys (strings) and values alternate.
/// Fails, at the place, on a tree that is too deep or too large and on a key that stands twice in
/// one object.
class JsonTreeBuilder {
public:
  /// `text` is refused if it is larger than the limits allow.
  JsonTreeBuilder(std::string text, std::string fileName, const JsonLimits &limits);

  JsonTree &tree() { return *tree_; }
  /// A value that starts at byte `offset` of the text.
  void null(size_t offset) { add(JsonKind::Null, offset); }
  void boolean(size_t offset, bool value) { add(JsonKind::Boolean, offset).boolean = value; }
  void integer(size_t offset, int64_t value) { add(JsonKind::Integer, offset).integer = value; }
  void number(size_t offset, double value) { add(JsonKind::Number, offset).number = value; }
  /// A string or a key that is not spelled in the text as it is.
  void string(size_t offset, std::string_view value);
  /// A string or a key that is bytes `begin` to `begin + size` of the text.
  void slice(size_t offset, size_t begin, size_t size);
  void open(JsonKind kind, size_t offset);
  void close();
  /// True if a string that comes now would be a key.
  bool expectsKey() const {
    return !open_.empty() && tree_->nodes[open_.back()].jsonKind() == JsonKind::Object &&
           !keyPending_;
  }
  JsonDocument finish();

private:
  JsonNode &add(JsonKind kind, size_t offset);
  void refuseDuplicateKeys(uint32_t object);

  std::unique_ptr<JsonTree> tree_;
  JsonLimits limits_;
  std::vector<uint32_t> open_; ///< the containers around the next value
  bool keyPending_ = false;    ///< the last node is a key whose value is still to come
};

/// Builds `text`'s bytes `begin` to `end`, one JSON value, into `builder`, whose text they are part
/// of. What is wrong is an error at its place.
void parseJsonInto(JsonTreeBuilder &builder, size_t begin, size_t end);

/// Where the first byte stands that is no part of a UTF-8 character; npos if all are.
size_t findIllFormedUtf8(std::string_view text);

/// The largest text whose places fit a node.
inline constexpr size_t largestJsonText = (size_t(1) << 29) - 1;

} // namespace vinci
