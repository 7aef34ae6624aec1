// The one way Vinci reports bad input: an Error that names file, place, value and what would be legal.
//
// Everything may include this header; it depends on nothing but fmt. The tools catch Error once, in main, print
// `file:line:col: error: message` on stderr and exit with exitCode(kind).
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <utility>

namespace vinci {

/// A place in an input file. `line` and `column` count from 1; 0 means "the file as a whole".
struct SourcePosition {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
};

/// `file`, `file:line` or `file:line:column`, as far as it is known.
std::string toString(const SourcePosition &position);

enum class ErrorKind {
  User,     ///< a bad value or file, or a difference found: exit 1
  Usage,    ///< an unknown flag or a missing argument: exit 2
  Internal, ///< a defect of Vinci itself: exit 70, and the message says how to reproduce it
};

/// 1, 2 or 70.
int exitCode(ErrorKind kind);

class Error : public std::runtime_error {
public:
  Error(ErrorKind kind, SourcePosition position, std::string message);

  ErrorKind kind() const { return kind_; }
  const SourcePosition &position() const { return position_; }
  /// The message without the position; what() is the whole line, `file:line:col: error: message`.
  const std::string &message() const { return message_; }

private:
  ErrorKind kind_;
  SourcePosition position_;
  std::string message_;
};

/// Throws a user error at `position`. Write messages as: what is wrong with which value, then what would be legal,
/// e.g. fail({path, 3, 7}, "num_attention_heads 12 is not a multiple of num_key_value_heads 5").
template <typename... Args>
[[noreturn]] void fail(SourcePosition position, fmt::format_string<Args...> format, Args &&...args) {
  throw Error(ErrorKind::User, std::move(position), fmt::format(format, std::forward<Args>(args)...));
}

/// A user error without a place (a flag's value, for example).
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args &&...args) {
  throw Error(ErrorKind::User, {}, fmt::format(format, std::forward<Args>(args)...));
}

/// A defect of Vinci itself.
template <typename... Args>
[[noreturn]] void failInternal(fmt::format_string<Args...> format, Args &&...args) {
  throw Error(ErrorKind::Internal, {}, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace vinci
