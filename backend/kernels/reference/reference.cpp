#include "backend/kernels/reference/reference.h"

#include "backend/kernels/reference/command.h"
#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {

int reference::Command::index(std::string_view operand) const {
  const std::vector<std::string_view> names = operandNames(spec);
  return static_cast<int>(std::ranges::find(names, operand) - names.begin());
}

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
      {"rms_norm_quant", reference::rmsNormQuant},
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
      {"softmax", reference::softmax},
      {"top_k", reference::topK},
      {"normalize_rows", reference::normalizeRows},
      {"swiglu_quant", reference::swigluQuant},
      {"moe_route", reference::moeRoute},
      {"argsort", reference::argsort},
      {"inverse_permutation", reference::inversePermutation},
      {"expert_offsets", reference::expertOffsets},
      {"moe_sort", reference::moeSort},
      {"permute_tokens", reference::permuteTokens},
      {"grouped_matmul", reference::groupedMatmul},
      {"unpermute_tokens", reference::unpermuteTokens},
      {"weighted_sum", reference::weightedSum},
      {"grouped_matmul_swiglu", reference::groupedMatmulSwiglu},
      {"moe_combine", reference::moeCombine},
      {"quantize", reference::quantize},
      {"row_max", reference::rowMax},
      {"dynamic_quantize", reference::dynamicQuantize},
      {"quant_matmul", reference::quantMatmul},
      {"dynamic_quant_matmul", reference::dynamicQuantMatmul},
      {"grouped_dynamic_quant_matmul", reference::groupedDynamicQuantMatmul},
      {"grouped_matmul_swiglu_quant", reference::groupedMatmulSwigluQuant},
      {"weight_quant_matmul", reference::weightQuantMatmul},
      {"grouped_weight_quant_matmul", reference::groupedWeightQuantMatmul},
  };
  validate(spec);
  const auto kernel = kernels.find(spec.op);
  if (kernel == kernels.end())
    failInternal("kernel {}: has no reference implementation", spec.op);
  kernel->second({spec, buffers, dims});
}

} // namespace vinci
