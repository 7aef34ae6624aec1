// The one way in which schedulers refuse a setting.
#pragma once

#include "runtime/support/error.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace vinci {

/// A knob of a settings struct, by its name in the vendor's files, and what it may be.
template <typename Settings> struct SettingRange {
  std::string_view name;
  int64_t Settings::*value;
  int64_t minimum, maximum;
};

/// Throws Error for the first knob that is out of its range.
template <typename Settings>
void checkRanges(const Settings &settings, std::span<const SettingRange<Settings>> ranges) {
  for (const SettingRange<Settings> &range : ranges)
    if (const int64_t value = settings.*range.value; value < range.minimum || value > range.maximum)
      fail("{} is {}; an integer from {} to {} is expected", range.name, value, range.minimum,
           range.maximum);
}

} // namespace vinci
