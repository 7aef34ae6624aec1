// Which panels of a weight a tile multiplies with.
#pragma once

#include <stdint.h>

/// Panels begin..end; with two parts, panel i and panel i + stride belong together: the gate and up
/// of the same columns.
struct PanelRange {
  uint64_t begin, end;
  uint64_t parts = 1, stride = 0;
};
