// Costs of kernels: what the clock divides by is not 0, and nothing is larger than any memory.
#include "runtime/plan/verify_internal.h"

#include <cmath>

namespace vinci::planverify {

static void verifyProduct(const Context &context, const fb::Cost &cost, const std::string &where) {
  context.requireRange(cost.n(), 1, maxInt32, where, "n of the cost");
  context.requireRange(cost.k(), 1, maxInt32, where, "k of the cost");
  if (cost.kind() != fb::CostClass::GroupedMatmul)
    return;
  context.requireRange(cost.groups(), 1, maxInt32, where, "groups of the cost");
  context.requireRange(cost.experts(), cost.groups(), maxInt32, where, "experts of the cost");
  context.requireRange(cost.top_k(), 1, cost.experts(), where, "top_k of the cost");
}

void verifyCost(const Context &context, const fb::Cost &cost, const std::string &where) {
  context.requireEnum(cost.kind(), where, "the class of the cost");
  context.requireEnum(cost.weights(), where, "weights of the cost");
  context.requireEnum(cost.activations(), where, "activations of the cost");
  const fb::Dim *rows = context.require(cost.rows(), where, "rows of the cost");
  context.requireEnum(rows->symbol(), where, "the symbol of rows of the cost");
  context.requireRange(rows->scale(), 1, maxInt32, where, "the scale of rows of the cost");
  context.requireRange(cost.fixed_bytes(), 0, maxSize - 1, where, "fixed_bytes of the cost");
  context.requireRange(cost.row_bytes(), 0, maxSize - 1, where, "row_bytes of the cost");
  if (!(std::isfinite(cost.row_flops()) && cost.row_flops() >= 0))
    context.fail(where, "row_flops of the cost is {}; it must be finite and not negative",
                 cost.row_flops());
  switch (cost.kind()) {
  case fb::CostClass::Vector:
    return;
  case fb::CostClass::Matmul:
  case fb::CostClass::GroupedMatmul:
    return verifyProduct(context, cost, where);
  case fb::CostClass::Attention:
    context.requireRange(cost.heads(), 1, maxInt32, where, "heads of the cost");
    context.requireRange(cost.kv_heads(), 1, maxInt32, where, "kv_heads of the cost");
    context.requireRange(cost.head_dim(), 1, maxInt32, where, "head_dim of the cost");
    return;
  case fb::CostClass::Collective:
    context.fail(where, "its cost is that of a collective, and it is none");
  }
}

} // namespace vinci::planverify
