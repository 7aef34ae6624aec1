// What importing wants its user to know, in the order in which it was found.
#pragma once

#include "runtime/support/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace vinci {

enum class FindingKind {
  Contradiction, ///< two places disagree; an error under --strict
  Unknown,       ///< a key that nobody knows; ignored
  NoEffect,      ///< a key that is known and does nothing here
  Note,          ///< a consequence worth knowing
};

/// "contradiction", "unknown", "no-effect", "note".
std::string_view toString(FindingKind kind);

struct Finding {
  FindingKind kind = FindingKind::Note;
  SourcePosition position;
  std::string message;
};

/// `file:line:col: warning: message`, or `note:` for a note.
std::string toString(const Finding &finding);

class Findings {
public:
  /// Adds it, unless the same is there already.
  void add(FindingKind kind, SourcePosition position, std::string message);
  template <typename... Args>
  void add(FindingKind kind, SourcePosition position, fmt::format_string<Args...> format,
           Args &&...args) requires(sizeof...(Args) > 0) {
    add(kind, std::move(position), fmt::format(format, std::forward<Args>(args)...));
  }
  const std::vector<Finding> &list() const { return list_; }
  /// Fails with the first contradiction, if there is one.
  void refuseContradictions() const;

  static constexpr size_t most = 200;

private:
  std::vector<Finding> list_;
};

} // namespace vinci
