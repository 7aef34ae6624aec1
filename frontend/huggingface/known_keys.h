// Keys of config.json that the reader does not resolve into a ModelSpec: the ones that do not
// matter and the ones that would matter.
#pragma once

#include "runtime/support/json.h"

#include <string_view>

namespace vinci {

/// True for keys without any say in what inference computes: training, bookkeeping, outputs that
/// are not asked for, and generation settings (those are read from generation_config.json).
bool isIrrelevantKey(std::string_view key);

/// Fails if `key` would change what the model computes in a way that Vinci does not support, unless
/// `value` is the neutral one. Returns true if the key is known to this table (and neutral), false
/// if it is not.
bool checkMathematicalKey(std::string_view key, const JsonValue &value);

/// True for sampling settings of generation_config.json that Vinci does not apply and whose value
/// is not the neutral one.
bool isIgnoredSamplingKey(std::string_view key, const JsonValue &value);

} // namespace vinci
