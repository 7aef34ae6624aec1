#include "passes/schedule/KernelKinds.h"

namespace vinci {

bool isProduct(npu::LaunchOp launch) {
  return launch.getKernel().contains("matmul"); // quant_matmul, grouped_matmul_swiglu, ...
}

bool isGroupedProduct(npu::LaunchOp launch) {
  return isProduct(launch) && launch.getKernel().starts_with("grouped");
}

bool usesCube(npu::LaunchOp launch) {
  return isProduct(launch) || launch.getKernel() == "attention";
}

} // namespace vinci
