#include "runtime/support/error.h"

namespace vinci {

std::string toString(const SourcePosition &position) {
  if (position.line == 0)
    return position.file;
  if (position.column == 0)
    return fmt::format("{}:{}", position.file, position.line);
  return fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

int exitCode(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::User:
    return 1;
  case ErrorKind::Usage:
    return 2;
  case ErrorKind::Internal:
    return 70;
  }
  return 70;
}

static std::string wholeLine(ErrorKind kind, const SourcePosition &position,
                             const std::string &message) {
  const char *label = kind == ErrorKind::Internal ? "internal error" : "error";
  if (position.file.empty())
    return fmt::format("{}: {}", label, message);
  return fmt::format("{}: {}: {}", toString(position), label, message);
}

Error::Error(ErrorKind kind, SourcePosition position, std::string message)
    : std::runtime_error(wholeLine(kind, position, message)), kind_(kind),
      position_(std::move(position)), message_(std::move(message)) {}

} // namespace vinci
