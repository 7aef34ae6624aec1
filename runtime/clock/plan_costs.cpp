#include "runtime/clock/plan_costs.h"

#include "runtime/plan/types.h"
#include "runtime/support/error.h"

namespace vinci {

Cost toCost(const Plan &plan, const fb::Kernel &kernel) {
  if (!kernel.cost())
    fail("{}: kernel {} carries no cost: this plan was compiled by a Vinci without a clock; "
         "compile it again",
         plan.name(), kernel.symbol()->string_view());
  const fb::Cost &table = *kernel.cost();
  return {.kind = CostClass(table.kind()),
          .weights = toDType(table.weights()),
          .activations = toDType(table.activations()),
          .rows = {VinciDim(table.rows()->symbol()), table.rows()->scale()},
          .n = table.n(),
          .k = table.k(),
          .groups = table.groups(),
          .experts = table.experts(),
          .topK = table.top_k(),
          .heads = table.heads(),
          .kvHeads = table.kv_heads(),
          .headDim = table.head_dim(),
          .fixedBytes = table.fixed_bytes(),
          .rowBytes = table.row_bytes(),
          .rowFlops = table.row_flops()};
}

/// `count` is of an all-reduce's, else of one rank's part.
Cost toCost(const fb::Collective &collective, uint64_t ranks) {
  const uint64_t parts = collective.kind() == fb::CollectiveKind::AllReduce ? 1 : ranks;
  const uint64_t bytes =
      collective.count()->scale() * parts * byteSize(toDType(collective.dtype()));
  Cost cost{.kind = CostClass::Collective};
  cost.rows.symbol = VinciDim(collective.count()->symbol());
  (cost.rows.symbol == VINCI_DIM_ONE ? cost.fixedBytes : cost.rowBytes) = bytes;
  return cost;
}

} // namespace vinci
