// What of a device the kernels of launches keep busy.
#pragma once

#include "ir/npu/Npu.h"

namespace vinci {

/// A product by a weight.
bool isProduct(npu::LaunchOp launch);
/// A product by the weights of experts.
bool isGroupedProduct(npu::LaunchOp launch);
/// Needs the cube: products and attention.
bool usesCube(npu::LaunchOp launch);
/// Leaves the memory alone, by and large: what works on vectors, and collectives.
inline bool isQuiet(npu::LaunchOp launch) {
  return !usesCube(launch);
}

} // namespace vinci
