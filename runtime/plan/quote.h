// Names that come from files, made safe to print, and long enough to show a tensor's whole name.
#pragma once

#include "runtime/support/json.h"

namespace vinci {

inline std::string quote(std::string_view text) { return quoteForMessage(text, 160); }

} // namespace vinci
