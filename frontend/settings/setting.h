// A resolved value that remembers who said it and where.
#pragma once

#include "runtime/support/error.h"

#include <optional>

namespace vinci {

/// Who may overrule whom: the later in this list wins. Two that disagree are reported, whoever
/// wins.
enum class Authority {
  Default,          ///< nobody said it: transformers' default, or derived from other settings
  Config,           ///< config.json
  GenerationConfig, ///< generation_config.json
  ModelFile,        ///< a MindFormers YAML
  Server,           ///< MindIE's config.json, a recipe, the flags of a serve command
  Environment,      ///< a variable
  Deployment,       ///< deployment.json, written for Vinci
};

template <typename T> struct Setting {
  std::optional<T> value;
  /// The file as the user named it, with line and column; for derived values, words in `file`.
  SourcePosition origin;
  Authority authority = Authority::Default;

  explicit operator bool() const { return value.has_value(); }
  const T &operator*() const { return *value; }
  const T *operator->() const { return &*value; }
  T valueOr(T other) const { return value.value_or(other); }
};

} // namespace vinci
