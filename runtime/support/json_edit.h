// Changes in a JSON file that leave everything else as its author wrote it.
#pragma once

#include "runtime/support/json.h"

#include <string>
#include <string_view>

namespace vinci {

/// The text of `document`, whose root is an object, with its member `key` set to `value`, a piece
/// of JSON, and not another byte changed. A member that is not there becomes the first one. Fails
/// at the place if the old value is an object or an array.
std::string withMember(const JsonDocument &document, std::string_view key, std::string_view value);

} // namespace vinci
