#include "runtime/plan/collectives.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/mesh.h"

namespace vinci {

std::string_view collectiveName(fb::CollectiveKind kind) {
  switch (kind) {
  case fb::CollectiveKind::AllReduce:
    return "all_reduce";
  case fb::CollectiveKind::AllGather:
    return "all_gather";
  case fb::CollectiveKind::ReduceScatter:
    return "reduce_scatter";
  }
  return "?";
}

uint64_t collectiveBytes(const fb::Plan &plan, const fb::Collective &collective,
                         CollectiveOperand operand) {
  const fb::Dim &count = *collective.count();
  const uint64_t bytes = count.scale() * symbolLimit(*plan.limits(), count.symbol()) *
                         byteSize(toDType(collective.dtype()));
  const fb::CollectiveKind ofEveryRank =
      operand == Receive ? fb::CollectiveKind::AllGather : fb::CollectiveKind::ReduceScatter;
  return collective.kind() == ofEveryRank
             ? bytes * Mesh(plan).ranksAlong(axesOf(*collective.axes()))
             : bytes;
}

} // namespace vinci
