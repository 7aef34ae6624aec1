#include "tools/compiler/ir_text.h"

#include "runtime/support/error.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace vinci {
namespace {

/// Tells what stands in strings and comments from what is IR.
class TextState {
public:
  /// True if `c` is IR; `previous` is the character before it.
  bool isCode(char previous, char c) {
    if (c == '\n') { // neither strings nor comments go beyond a line
      kind_ = Kind::Code;
      return false;
    }
    if (kind_ == Kind::String) {
      kind_ = c == '"' && !escaped_ ? Kind::Code : Kind::String;
      escaped_ = c == '\\' && !escaped_;
      return false;
    }
    if (kind_ == Kind::Code && c == '/' && previous == '/')
      kind_ = Kind::Comment;
    if (kind_ == Kind::Code && c == '"') {
      kind_ = Kind::String;
      escaped_ = false;
      return false;
    }
    return kind_ == Kind::Code;
  }

private:
  enum class Kind { Code, String, Comment } kind_ = Kind::Code;
  bool escaped_ = false;
};

bool isIdentifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' ||
         c == '-';
}

/// The rest of the text without white space and comments at its beginning.
std::string_view skipBlank(std::string_view rest) {
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    if (!rest.starts_with("//"))
      return rest;
    rest.remove_prefix(std::min(rest.find('\n'), rest.size()));
  }
}

/// If `rest` begins with `keyword<`, an attribute, what is inside and after it; not the end of a
/// name, nor a symbol or value.
std::optional<std::string_view> attributeOf(std::string_view keyword, char previous,
                                            std::string_view rest) {
  constexpr std::string_view sigils = "@%#!^";
  if (!rest.starts_with(keyword) || isIdentifier(previous) ||
      sigils.find(previous) != std::string_view::npos)
    return std::nullopt;
  rest = skipBlank(rest.substr(keyword.size()));
  return rest.starts_with('<') ? std::optional(skipBlank(rest.substr(1))) : std::nullopt;
}

/// MLIR 19 reads `array<i1: 1>` and crashes when it prints it.
bool beginsBoolArray(char previous, std::string_view rest) {
  const auto inside = attributeOf("array", previous, rest);
  return inside && inside->starts_with("i1") &&
         (inside->size() == 2 || !isIdentifier((*inside)[2]));
}

} // namespace

void checkIrText(std::string_view text, const std::string &file) {
  if (text.size() > maxIrBytes)
    fail(SourcePosition{file}, "the IR has {} bytes, more than {}", text.size(), maxIrBytes);
  if (text.starts_with("ML\xefR")) // bytecode
    return;
  unsigned depth = 0;
  unsigned resultDigits = 0; // digits that follow a '#'
  bool afterHash = false;
  char previous = 0;
  TextState state;
  SourcePosition position{file, 1, 0};
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    ++position.column;
    const bool isCode = state.isCode(previous, c);
    afterHash = c == '#' || (afterHash && c >= '0' && c <= '9');
    resultDigits = afterHash ? resultDigits + (c != '#') : 0;
    if (resultDigits > maxResultDigits)
      fail(position, "the IR uses a result numbered in more than {} digits", maxResultDigits);
    if (c == '\n')
      position = {file, position.line + 1, 0};
    if (const auto rest = text.substr(at);
        isCode && (rest.starts_with("affine_map") || rest.starts_with("affine_set")))
      fail(position, "the IR has an affine map or set; the IR of models has none");
    if (isCode && attributeOf("sparse", previous, text.substr(at)))
      fail(position, "the IR has a sparse constant; the IR of models has none");
    if (isCode && beginsBoolArray(previous, text.substr(at)))
      fail(position, "the IR has an array of i1; the IR of models has none");
    const bool isOperator = c == '>' && (previous == '-' || text.substr(at + 1).starts_with('='));
    if (isCode && (c == '(' || c == '[' || c == '{' || c == '<')) {
      if (++depth > maxIrNesting)
        fail(position, "the IR is nested more than {} brackets deep", maxIrNesting);
    } else if (isCode && depth > 0 && !isOperator &&
               (c == ')' || c == ']' || c == '}' || c == '>')) {
      --depth;
    }
    previous = c;
  }
}

} // namespace vinci
