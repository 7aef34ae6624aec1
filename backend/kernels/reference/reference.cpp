#include "backend/kernels/reference/reference.h"

#include "backend/kernels/reference/command.h"
#include "runtime/support/error.h"

namespace vinci {

void runReference(const KernelSpec &spec, void *const *buffers, const uint64_t *dims) {
  static const std::map<std::string, void (*)(const reference::Command &), std::less<>> kernels = {
      {"embedding", reference::embedding},
      {"gather_rows", reference::gatherRows},
      {"join_columns", reference::joinColumns},
      {"rope_table", reference::ropeTable},
      {"rope", reference::rope},
      {"rope_qk", reference::ropeQk},
      {"rms_norm", reference::rmsNorm},
      {"add_rms_norm", reference::addRmsNorm},
      {"matmul", reference::matmul},
      {"matmul_all_reduce", reference::matmul},
      {"split_qkv", reference::splitQkv},
      {"append_qkv", reference::appendQkv},
      {"kv_append", reference::kvAppend},
      {"attention", reference::attention},
      {"add", reference::add},
      {"mul", reference::mul},
      {"silu", reference::silu},
      {"swiglu", reference::swiglu},
      {"moe_route", reference::moeRoute},
      {"moe_sort", reference::moeSort},
      {"grouped_matmul", reference::groupedMatmul},
      {"moe_combine", reference::moeCombine},
      {"quantize", reference::quantize},
      {"dynamic_quantize", reference::dynamicQuantize},
      {"quant_matmul", reference::quantMatmul},
      {"dynamic_quant_matmul", reference::dynamicQuantMatmul},
      {"grouped_dynamic_quant_matmul", reference::groupedDynamicQuantMatmul},
  };
  validate(spec);
  const auto kernel = kernels.find(spec.op);
  if (kernel == kernels.end())
    failInternal("kernel {}: has no reference implementation", spec.op);
  kernel->second({spec, buffers, dims});
}

} // namespace vinci
