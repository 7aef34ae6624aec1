// The keys of predict_*.yaml, one row each.
#pragma once

#include "frontend/import/key_table.h"

namespace vinci {

/// All keys that stand for themselves; rows without a setting or function are either of training
/// and debugging, or read together with others in predict_yaml.cpp.
std::span<const KeyRule> predictKeys();

/// Keys that have another name in the newer files.
std::span<const TwoSpellings> predictSpellings();

} // namespace vinci
