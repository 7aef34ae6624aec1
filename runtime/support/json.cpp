#include "runtime/support/json.h"
#include "runtime/support/json_tree.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace vinci {

SourcePosition JsonTree::positionOf(size_t offset) const {
  offset = std::min(offset, text.size());
  std::string_view before(text.data(), offset);
  size_t lines = std::count(before.begin(), before.end(), '\n');
  size_t lastNewline = before.rfind('\n');
  size_t column = lastNewline == std::string_view::npos ? offset : offset - lastNewline - 1;
  return {fileName, uint32_t(lines + 1), uint32_t(column + 1)};
}

// --- the builder

JsonTreeBuilder::JsonTreeBuilder(std::string text, std::string fileName, const JsonLimits &limits)
    : tree_(std::make_unique<JsonTree>()), limits_(limits) {
  size_t maxBytes = std::min(limits.maxBytes, largestJsonText);
  if (text.size() > maxBytes)
    fail(SourcePosition{fileName}, "the file has {} bytes; at most {} are read", text.size(),
         maxBytes);
  tree_->fileName = std::move(fileName);
  tree_->text = std::move(text);
}

JsonNode &JsonTreeBuilder::add(JsonKind kind, size_t offset) {
  if (tree_->nodes.size() >= limits_.maxValues)
    fail(tree_->positionOf(offset), "the file has more than {} keys and values", limits_.maxValues);
  const bool isKey = expectsKey();
  if (!open_.empty() && !keyPending_)
    ++tree_->nodes[open_.back()].extent.size;
  keyPending_ = isKey;
  return tree_->nodes.emplace_back(kind, offset);
}

void JsonTreeBuilder::string(size_t offset, std::string_view value) {
  JsonNode &node = add(JsonKind::String, offset);
  node.unescaped = 1;
  node.slice = {uint32_t(tree_->unescaped.size()), uint32_t(value.size())};
  tree_->unescaped += value;
}

void JsonTreeBuilder::slice(size_t offset, size_t begin, size_t size) {
  add(JsonKind::String, offset).slice = {uint32_t(begin), uint32_t(size)};
}

void JsonTreeBuilder::open(JsonKind kind, size_t offset) {
  add(kind, offset).extent = {0, 0};
  keyPending_ = false;
  if (open_.size() >= limits_.maxDepth)
    fail(tree_->positionOf(offset), "arrays and objects nest deeper than {} levels",
         limits_.maxDepth);
  open_.push_back(uint32_t(tree_->nodes.size() - 1));
}

void JsonTreeBuilder::close() {
  const uint32_t container = open_.back();
  if (tree_->nodes[container].jsonKind() == JsonKind::Object)
    refuseDuplicateKeys(container);
  tree_->nodes[container].extent.end = uint32_t(tree_->nodes.size());
  open_.pop_back();
}

void JsonTreeBuilder::refuseDuplicateKeys(uint32_t object) {
  std::vector<uint32_t> keys;
  keys.reserve(tree_->nodes[object].extent.size);
  for (uint32_t i = object + 1; i < tree_->nodes.size(); i = tree_->next(i + 1))
    keys.push_back(i);
  auto text = [&](uint32_t key) { return tree_->string(tree_->nodes[key]); };
  std::sort(keys.begin(), keys.end(), [&](uint32_t a, uint32_t b) {
    int order = text(a).compare(text(b));
    return order != 0 ? order < 0 : a < b;
  });
  auto same = [&](uint32_t a, uint32_t b) { return text(a) == text(b); };
  auto found = std::adjacent_find(keys.begin(), keys.end(), same);
  if (found == keys.end())
    return;
  SourcePosition first = tree_->positionOf(tree_->nodes[found[0]].offset);
  fail(tree_->positionOf(tree_->nodes[found[1]].offset),
       "the key {} stands twice in one object; it was first given at line {}, column {}",
       quoteForMessage(text(found[0])), first.line, first.column);
}

JsonDocument JsonTreeBuilder::finish() {
  return JsonDocument(std::move(tree_));
}

// --- JSON

namespace {

/// Feeds nlohmann's events to the builder. The events carry no positions, but they come in the
/// order of the text and only for tokens that were found valid, so a cursor that steps over
/// separators and then over the token is exact.
class JsonEvents {
public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  JsonEvents(JsonTreeBuilder &builder, size_t begin)
      : builder_(builder), text_(builder.tree().text), begin_(begin), cursor_(begin) {
    if (std::string_view(text_).substr(begin, 3) == "\xEF\xBB\xBF")
      cursor_ += 3;
  }

  bool null() {
    builder_.null(scalar());
    return true;
  }
  bool boolean(bool value) {
    builder_.boolean(scalar(), value);
    return true;
  }
  bool number_integer(number_integer_t value) {
    builder_.integer(scalar(), value);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) {
    if (value <= number_unsigned_t(std::numeric_limits<int64_t>::max()))
      builder_.integer(scalar(), int64_t(value));
    else
      builder_.number(scalar(), double(value));
    return true;
  }
  bool number_float(number_float_t value, const string_t &) {
    builder_.number(scalar(), value);
    return true;
  }
  bool string(string_t &value) {
    addString(value);
    return true;
  }
  bool binary(binary_t &) { failInternal("a JSON text gave a binary value"); }
  bool start_object(size_t) { return open(JsonKind::Object); }
  bool key(string_t &value) {
    addString(value);
    return true;
  }
  bool end_object() { return close(); }
  bool start_array(size_t) { return open(JsonKind::Array); }
  bool end_array() { return close(); }

  /// `read` counts the bytes read so far, the offending one (or the end of the text) included.
  bool parse_error(size_t read, const std::string &, const nlohmann::json::exception &exception) {
    std::string_view message = exception.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while …"
    if (size_t end = message.find("] "); end != std::string_view::npos)
      message.remove_prefix(end + 2);
    if (message.substr(0, 14) == "parse error at")
      if (size_t end = message.find(": "); end != std::string_view::npos)
        message.remove_prefix(end + 2);
    std::string clean = quoteForMessage(message, 160);
    fail(builder_.tree().positionOf(begin_ + (read > 0 ? read - 1 : 0)), "not valid JSON: {}",
         std::string_view(clean).substr(1, clean.size() - 2));
  }

private:
  /// Moves the cursor to the first byte of the token that the parser has just accepted.
  size_t start() {
    while (cursor_ < text_.size() &&
           std::string_view(" \t\r\n,:").find(text_[cursor_]) != std::string_view::npos)
      ++cursor_;
    return cursor_;
  }

  /// The place of a number, boolean or null; the cursor moves behind it.
  size_t scalar() {
    const size_t begin = start();
    cursor_ = std::min(text_.find_first_of(" \t\r\n,:]}", cursor_), text_.size());
    return begin;
  }

  void addString(const std::string &value) {
    const size_t quote = start();
    size_t end = quote + 1;
    while (text_[end] != '"')
      end += text_[end] == '\\' ? 2 : 1;
    cursor_ = end + 1;
    if (value.size() == end - quote - 1) // every escape is longer than what it stands for
      builder_.slice(quote, quote + 1, value.size());
    else
      builder_.string(quote, value);
  }

  bool open(JsonKind kind) {
    builder_.open(kind, start());
    ++cursor_;
    return true;
  }

  bool close() {
    builder_.close();
    cursor_ = text_.find_first_of("]}", cursor_) + 1;
    return true;
  }

  JsonTreeBuilder &builder_;
  const std::string &text_;
  size_t begin_;
  size_t cursor_;
};

} // namespace

void parseJsonInto(JsonTreeBuilder &builder, size_t begin, size_t end) {
  JsonEvents events(builder, begin);
  const char *text = builder.tree().text.data();
  nlohmann::json::sax_parse(text + begin, text + end, &events);
}

// --- values

JsonKind JsonValue::kind() const {
  return tree_->nodes[index_].jsonKind();
}

SourcePosition JsonValue::position() const {
  return tree_->positionOf(tree_->nodes[index_].offset);
}

size_t JsonValue::size() const {
  return isArray() || isObject() ? tree_->nodes[index_].extent.size : 0;
}

std::vector<JsonValue> JsonValue::elements() const {
  std::vector<JsonValue> result;
  if (!isArray())
    return result;
  result.reserve(size());
  uint32_t end = tree_->next(index_);
  for (uint32_t i = index_ + 1; i < end; i = tree_->next(i))
    result.push_back({tree_, i});
  return result;
}

std::vector<std::pair<JsonValue, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<JsonValue, JsonValue>> result;
  if (!isObject())
    return result;
  result.reserve(size());
  uint32_t end = tree_->next(index_);
  for (uint32_t i = index_ + 1; i < end; i = tree_->next(i + 1))
    result.push_back({JsonValue(tree_, i), JsonValue(tree_, i + 1)});
  return result;
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  if (!isObject())
    return std::nullopt;
  uint32_t end = tree_->next(index_);
  for (uint32_t i = index_ + 1; i < end; i = tree_->next(i + 1))
    if (tree_->string(tree_->nodes[i]) == key)
      return JsonValue(tree_, i + 1);
  return std::nullopt;
}

bool JsonValue::toBoolean(std::string_view name) const {
  if (kind() != JsonKind::Boolean)
    failExpected(name, "true or false");
  return tree_->nodes[index_].boolean;
}

int64_t JsonValue::toInteger(std::string_view name, int64_t minimum, int64_t maximum) const {
  if (isInteger()) {
    int64_t value = tree_->nodes[index_].integer;
    if (value >= minimum && value <= maximum)
      return value;
  }
  bool bounded = maximum < std::numeric_limits<int64_t>::max();
  if (!bounded && minimum == std::numeric_limits<int64_t>::min())
    failExpected(name, "an integer");
  failExpected(name, bounded ? fmt::format("an integer from {} to {}", minimum, maximum)
                             : fmt::format("an integer of at least {}", minimum));
}

double JsonValue::toNumber(std::string_view name) const {
  if (isInteger())
    return double(tree_->nodes[index_].integer);
  if (kind() != JsonKind::Number)
    failExpected(name, "a number");
  return tree_->nodes[index_].number;
}

std::string_view JsonValue::toText(std::string_view name) const {
  if (!isString())
    failExpected(name, "a string");
  return tree_->string(tree_->nodes[index_]);
}

std::string JsonValue::describe() const {
  const JsonNode &node = tree_->nodes[index_];
  switch (kind()) {
  case JsonKind::Null:
    return "null";
  case JsonKind::Boolean:
    return node.boolean ? "true" : "false";
  case JsonKind::Integer:
    return std::to_string(node.integer);
  case JsonKind::Number: { // as the file spells it
    size_t end = tree_->text.find_first_of(" \t\r\n,]}", node.offset);
    std::string_view spelling =
        std::string_view(tree_->text).substr(node.offset, end - node.offset);
    return spelling.size() <= 48 ? std::string(spelling)
                                 : fmt::format("{}…", spelling.substr(0, 48));
  }
  case JsonKind::String:
    return quoteForMessage(tree_->string(node));
  case JsonKind::Array:
    return fmt::format("an array of {}", size());
  case JsonKind::Object:
    return fmt::format("an object of {}", size());
  }
  return "unknown";
}

void JsonValue::failExpected(std::string_view name, std::string_view expected) const {
  fail(position(), "{} is {}{}; {} is expected", name, describe(), isString() ? " (a string)" : "",
       expected);
}

JsonDocument::JsonDocument(std::unique_ptr<JsonTree> tree) : tree_(std::move(tree)) {}
JsonDocument::JsonDocument(JsonDocument &&) noexcept = default;
JsonDocument &JsonDocument::operator=(JsonDocument &&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonDocument JsonDocument::parse(std::string text, std::string fileName, const JsonLimits &limits) {
  JsonTreeBuilder builder(std::move(text), std::move(fileName), limits);
  // nlohmann's lexer takes a NUL byte for the end of the text and would not see what follows.
  const JsonTree &tree = builder.tree();
  if (size_t nul = tree.text.find('\0'); nul != std::string::npos)
    fail(tree.positionOf(nul), "not valid JSON: the text has a NUL byte");
  parseJsonInto(builder, 0, tree.text.size());
  return builder.finish();
}

JsonDocument JsonDocument::read(const std::filesystem::path &path, const JsonLimits &limits) {
  return parse(readTextFile(path, std::min(limits.maxBytes, largestJsonText)), path.string(),
               limits);
}

JsonValue JsonDocument::root() const {
  return JsonValue(tree_.get(), 0);
}

const std::string &JsonDocument::fileName() const {
  return tree_->fileName;
}

const std::string &JsonDocument::text() const {
  return tree_->text;
}

std::string readTextFile(const std::filesystem::path &path, size_t maxBytes) {
  std::error_code code;
  auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status))
    fail(SourcePosition{path.string()}, "no such file");
  if (std::filesystem::is_directory(status))
    fail(SourcePosition{path.string()}, "this is a directory; a file is expected");
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    fail(SourcePosition{path.string()}, "the file cannot be opened for reading");
  // Piece by piece, because pipes and devices do not know their size.
  std::string text;
  char piece[65536];
  while (stream.read(piece, sizeof piece), stream.gcount() > 0) {
    text.append(piece, size_t(stream.gcount()));
    if (text.size() > maxBytes)
      fail(SourcePosition{path.string()}, "the file is larger than {} bytes, the most that is read",
           maxBytes);
  }
  if (stream.bad())
    fail(SourcePosition{path.string()}, "the file cannot be read");
  return text;
}

/// The length of the well-formed UTF-8 character at the start of `text`, or 0.
static size_t characterLength(std::string_view text) {
  unsigned char first = text[0];
  size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || length > text.size())
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((text[i] & 0xC0) != 0x80)
      return 0;
  return length;
}

size_t findIllFormedUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = characterLength(text.substr(i));
    if (length == 0)
      return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string quoteForMessage(std::string_view text, size_t maxBytes) {
  std::string result = "\"";
  while (!text.empty()) {
    size_t length = characterLength(text);
    if (result.size() + std::max<size_t>(length, 1) > maxBytes) {
      result += "…";
      break;
    }
    bool printable = length > 1 || (length == 1 && text[0] >= 0x20 && text[0] != 0x7F);
    if (printable)
      result += text.substr(0, length);
    else
      result += '?';
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result + "\"";
}

} // namespace vinci
