#include "runtime/text/split_pattern.h"

#include "runtime/support/json.h"
#include "runtime/text/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace vinci {

namespace {

constexpr size_t kMaxPatternBytes = 16384;

// Rewrites an Oniguruma pattern so that PCRE2 (UTF and UCP mode) matches the same text.
class Translator {
public:
  Translator(std::string_view regex, const SourcePosition &position)
      : regex_(regex), position_(position) {}

  std::string run() {
    for (at_ = 0; at_ < regex_.size(); ++at_) {
      char character = regex_[at_];
      if (character == '\\')
        escape();
      else if (inClass_)
        classMember(character);
      else
        plain(character);
    }
    return std::move(result_);
  }

private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(position_, "the split pattern {} uses {}, which is not supported",
         quoteForMessage(regex_, 120), what);
  }

  bool follows(std::string_view text) const { return regex_.substr(at_ + 1).starts_with(text); }

  void plain(char character) {
    if (character == '[') {
      inClass_ = true;
      result_ += '[';
      if (follows("^")) {
        result_ += '^';
        ++at_;
      }
      // Both engines take a ] here for the character itself.
      if (follows("]")) {
        result_ += "\\]";
        ++at_;
      }
      return;
    }
    if (character == '(')
      group();
    // Oniguruma reads {n}+ as a repeated repetition, PCRE2 as a possessive one.
    if (character == '}' && follows("+"))
      refuse("'}+'");
    // Oniguruma reads {,n} as {0,n}, PCRE2 as five characters.
    if (character == '{' && follows(","))
      refuse("'{,'");
    result_ += character;
  }

  void group() {
    if (follows("*"))
      refuse("'(*'");
    if (!follows("?"))
      return;
    for (std::string_view known : {"?:", "?=", "?!", "?>", "?<=", "?<!", "?i:", "?i)"})
      if (follows(known))
        return;
    refuse(quoteForMessage(regex_.substr(at_, 4)));
  }

  void classMember(char character) {
    if (character == ']')
      inClass_ = false;
    if (character == '[')
      refuse("'[' within a character class");
    if (character == '&' && follows("&"))
      refuse("'&&' within a character class");
    result_ += character;
  }

  void escape() {
    if (++at_ == regex_.size())
      refuse("a '\\' at its end");
    char character = regex_[at_];
    switch (character) {
    case 's': // White_Space in Oniguruma; PCRE2's \s would add U+180E
      result_ += "\\p{White_Space}";
      return;
    case 'S':
      result_ += "\\P{White_Space}";
      return;
    case 'w':
      result_ += inClass_ ? "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
                          : "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
      return;
    case 'W':
      if (inClass_)
        refuse("'\\W' within a character class");
      result_ += "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
      return;
    case 'v': // one character in Oniguruma, a class in PCRE2
      result_ += "\\x0B";
      return;
    case 'p':
    case 'P':
    case 'x':
      braced();
      return;
    case 'u':
      codePoint();
      return;
    default:
      break;
    }
    bool letterOrDigit = (character >= 'a' && character <= 'z') ||
                         (character >= 'A' && character <= 'Z') ||
                         (character >= '0' && character <= '9');
    if (letterOrDigit && std::string_view("rntfadDAz").find(character) == std::string_view::npos)
      refuse(fmt::format("'\\{}'", character));
    if (inClass_ && (character == 'A' || character == 'z'))
      refuse(fmt::format("'\\{}' within a character class", character));
    result_ += '\\';
    result_ += character;
  }

  // Copies \p{...} or \x{...} whole. PCRE2 itself refuses what it does not know.
  void braced() {
    size_t end = regex_.find('}', at_);
    if (!follows("{") || end == std::string_view::npos)
      refuse(fmt::format("'\\{}' without braces", regex_[at_]));
    result_ += '\\';
    result_ += regex_.substr(at_, end + 1 - at_);
    at_ = end;
  }

  // \uHHHH, which PCRE2 spells \x{HHHH}.
  void codePoint() {
    std::string_view digits = regex_.substr(at_ + 1, 4);
    if (digits.size() < 4 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      refuse("'\\u' without four hexadecimal digits");
    result_ += fmt::format("\\x{{{}}}", digits);
    at_ += 4;
  }

  std::string_view regex_;
  const SourcePosition &position_;
  size_t at_ = 0;
  bool inClass_ = false;
  std::string result_;
};

struct Deleter {
  void operator()(pcre2_code *code) const { pcre2_code_free(code); }
  void operator()(pcre2_compile_context *context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context *context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data *data) const { pcre2_match_data_free(data); }
};
template <typename T> using Owned = std::unique_ptr<T, Deleter>;

std::string describe(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char *>(buffer);
}

} // namespace

struct SplitPattern::Compiled {
  Owned<pcre2_code> code;
  std::string regex;
  SourcePosition position;
};

SplitPattern::SplitPattern(std::string_view regex, const SourcePosition &position) {
  if (regex.size() > kMaxPatternBytes)
    fail(position, "a split pattern of {} bytes; the limit is {}", regex.size(), kMaxPatternBytes);
  std::string translated = Translator(regex, position).run();
  Owned<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 100);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // MULTILINE: in Ruby's syntax ^ and $ match at every line.
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  Owned<pcre2_code> code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                       translated.size(), options, &error, &offset, context.get()));
  if (!code)
    fail(position, "the split pattern {} is not a regular expression: {}",
         quoteForMessage(regex, 120), describe(error));
  // Without JIT (not available, or the pattern too large for it) the interpreter does the same,
  // more slowly.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  compiled_ = std::make_shared<Compiled>(Compiled{std::move(code), std::string(regex), position});
}

void SplitPattern::split(std::string_view text, std::vector<std::string_view> &pieces) const {
  Owned<pcre2_match_data> data(
      pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  Owned<pcre2_match_context> context(pcre2_match_context_create(nullptr));
  // An honest pattern looks at each character a few times; one with nested repetition soon runs
  // into this.
  size_t budget = std::min<size_t>(100000 + 64 * text.size(), 1u << 30);
  pcre2_set_match_limit(context.get(), static_cast<uint32_t>(budget));
  pcre2_set_depth_limit(context.get(), static_cast<uint32_t>(budget));
  pcre2_set_heap_limit(context.get(), 256 * 1024); // KiB

  auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PCRE2_SIZE *match = pcre2_get_ovector_pointer(data.get());
  size_t from = 0; // where the next piece begins
  size_t at = 0;   // where the next search begins
  auto emitUpTo = [&](size_t end) {
    if (end > from)
      pieces.push_back(text.substr(from, end - from));
    from = end;
  };
  while (at < text.size()) {
    int found = pcre2_match(compiled_->code.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK,
                            data.get(), context.get());
    if (found == PCRE2_ERROR_NOMATCH)
      break;
    if (found < 0)
      fail(compiled_->position, "the split pattern {} takes too long on a text of {} bytes: {}",
           quoteForMessage(compiled_->regex, 120), text.size(), describe(found));
    emitUpTo(match[0]);
    emitUpTo(match[1]);
    // An empty match cuts the text and moves on by one character.
    at = match[1];
    if (match[0] == match[1] && at < text.size())
      at += firstCodePoint(text.substr(at)).length;
  }
  emitUpTo(text.size());
}

} // namespace vinci
