#include "runtime/support/yaml.h"
#include "runtime/support/json_tree.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace vinci {

static constexpr std::string_view byteOrderMark = "\xEF\xBB\xBF";

static bool isOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

void addPlainScalar(JsonTreeBuilder &builder, size_t offset, std::string_view text) {
  if (isOneOf(text, {"", "~", "null", "Null", "NULL"}))
    return builder.null(offset);
  if (isOneOf(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}))
    return builder.boolean(offset, true);
  if (isOneOf(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}))
    return builder.boolean(offset, false);
  // A number: digits with at most a sign, a point and an exponent; from_chars alone would also take
  // "inf" and "nan".
  const std::string_view digits = text.substr(text.front() == '+' ? 1 : 0);
  const bool octal =
      digits.size() > 1 && digits[0] == '0' && std::isdigit((unsigned char)digits[1]);
  if (digits.find_first_not_of("0123456789+-.eE") == std::string_view::npos && !octal) {
    const char *end = digits.data() + digits.size();
    int64_t integer = 0;
    if (auto [rest, error] = std::from_chars(digits.data(), end, integer);
        error == std::errc() && rest == end)
      return builder.integer(offset, integer);
    double number = 0;
    if (auto [rest, error] = std::from_chars(digits.data(), end, number);
        error == std::errc() && rest == end && std::isfinite(number))
      return builder.number(offset, number);
  }
  builder.string(offset, text);
}

namespace {

class YamlEvents final : public YAML::EventHandler {
public:
  YamlEvents(JsonTreeBuilder &builder, size_t shift) : builder_(builder), shift_(shift) {}

  bool isEmpty() const { return builder_.tree().nodes.empty(); }

  void OnDocumentStart(const YAML::Mark &) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) override {
    refuseAnchor(mark, anchor);
    if (builder_.expectsKey())
      failAt(mark, "a key is empty; a name is expected");
    builder_.null(offset(mark));
  }
  void OnAlias(const YAML::Mark &mark, YAML::anchor_t) override {
    failAt(mark, "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                const std::string &value) override {
    refuseAnchor(mark, anchor);
    const bool plain = tag == "?";
    if (!plain && tag != "!")
      refuseTag(mark, tag);
    if (!plain)
      requireClosingQuote(mark);
    if (plain && !builder_.expectsKey())
      addPlainScalar(builder_, offset(mark), value);
    else
      builder_.string(offset(mark), value);
  }
  void OnSequenceStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(JsonKind::Array, mark, tag, anchor);
  }
  void OnSequenceEnd() override { builder_.close(); }
  void OnMapStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(JsonKind::Object, mark, tag, anchor);
  }
  void OnMapEnd() override { builder_.close(); }

  [[noreturn]] void failAt(const YAML::Mark &mark, std::string_view message) const {
    fail(builder_.tree().positionOf(offset(mark)), "{}", message);
  }

private:
  size_t offset(const YAML::Mark &mark) const { return shift_ + size_t(std::max(mark.pos, 0)); }

  void open(JsonKind kind, const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor) {
    refuseAnchor(mark, anchor);
    if (!tag.empty() && tag != "?" && tag != "!")
      refuseTag(mark, tag);
    if (builder_.expectsKey())
      failAt(mark, "a key is a list or a mapping; a name is expected");
    builder_.open(kind, offset(mark));
  }
  /// yaml-cpp 0.7 takes the end of the file for a closing quote.
  void requireClosingQuote(const YAML::Mark &mark) const {
    const std::string &text = builder_.tree().text;
    const size_t begin = offset(mark);
    const char quote = begin < text.size() ? text[begin] : '\0';
    if (quote != '"' && quote != '\'')
      return; // a block scalar
    for (size_t i = begin + 1; i < text.size(); ++i) {
      if (quote == '"' && text[i] == '\\')
        ++i;
      else if (text[i] == quote)
        return;
    }
    failAt(mark, "not valid YAML: the quoted text has no end");
  }
  void refuseAnchor(const YAML::Mark &mark, YAML::anchor_t anchor) const {
    if (anchor != 0)
      failAt(mark, "anchors (&name) are not supported; write the value out");
  }
  [[noreturn]] void refuseTag(const YAML::Mark &mark, const std::string &tag) const {
    failAt(mark, fmt::format("the tag {} is not supported; write a plain or quoted value",
                             quoteForMessage(tag)));
  }

  JsonTreeBuilder &builder_;
  size_t shift_; ///< bytes of the text that the parser does not see
};

} // namespace

JsonDocument parseYaml(std::string text, std::string fileName, const JsonLimits &limits) {
  const size_t shift = text.starts_with(byteOrderMark) ? byteOrderMark.size() : 0;
  JsonTreeBuilder builder(std::move(text), std::move(fileName), limits);
  const JsonTree &tree = builder.tree();
  if (size_t nul = tree.text.find('\0'); nul != std::string::npos)
    fail(tree.positionOf(nul), "not valid YAML: the text has a NUL byte");
  if (size_t bad = findIllFormedUtf8(tree.text); bad != std::string::npos)
    fail(tree.positionOf(bad), "not valid YAML: the text is not UTF-8");
  YamlEvents events(builder, shift);
  std::istringstream stream(tree.text.substr(shift));
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(events) || events.isEmpty())
      fail(SourcePosition{tree.fileName}, "the file is empty; a mapping is expected");
    if (parser)
      fail(SourcePosition{tree.fileName}, "a second document follows the first; one is expected");
  } catch (const YAML::DeepRecursion &error) {
    events.failAt(error.mark,
                  fmt::format("lists and mappings nest deeper than {} levels", limits.maxDepth));
  } catch (const YAML::Exception &error) {
    events.failAt(error.mark, fmt::format("not valid YAML: {}", error.msg));
  }
  return builder.finish();
}

} // namespace vinci
