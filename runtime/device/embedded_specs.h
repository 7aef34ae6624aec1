// The files of specs/, as CMake put them into the library.
#pragma once

#include <string_view>

namespace vinci {

struct EmbeddedSpec {
  const char *fileName; ///< for messages
  const char *text;
};

inline constexpr std::string_view embeddedSpecNames[] = {"310p3", "910b3", "910b-24core", "a3"};

/// In the order of the names.
extern const EmbeddedSpec embeddedSpecs[4];

} // namespace vinci
