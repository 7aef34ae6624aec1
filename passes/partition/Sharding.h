// How a value is spread over the ranks, and sets of axes.
#pragma once

#include "passes/partition/Degrees.h"

#include "llvm/ADT/STLExtras.h"

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

inline Axes without(const Axes &axes, const Axes &others) {
  Axes result;
  llvm::copy_if(axes, std::back_inserter(result),
                [&](int64_t axis) { return !llvm::is_contained(others, axis); });
  return result;
}
inline Axes both(const Axes &a, const Axes &b) {
  return without(a, without(a, b));
}
/// Ascending, if `axes` are.
inline void unite(Axes &axes, const Axes &others) {
  llvm::append_range(axes, without(others, axes));
  llvm::sort(axes);
}

} // namespace vinci
