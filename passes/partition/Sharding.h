// How a value is spread over the ranks.
#pragma once

#include "passes/partition/Degrees.h"

namespace vinci {

/// A dimension is whole on every rank (no axes), or cut into `parts` along the axes; with fewer
/// parts than ranks neighbours hold the same.
struct DimSharding {
  Axes axes;
  int64_t parts = 1;
  bool byExpert =
      false; ///< rows of the experts that a rank has: as many as chance gives, up to all
};

struct Sharding {
  llvm::SmallVector<DimSharding, 3> dims;
  Axes partial; ///< the value is a part of a sum over these axes
};

} // namespace vinci
