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
  const auto bytesOf = [&](const fb::Dim &dim) {
    return dim.scale() * symbolLimit(*plan.limits(), dim.symbol()) *
           byteSize(toDType(collective.dtype()));
  };
  const uint64_t bytes = bytesOf(*collective.count());
  const fb::CollectiveKind ofEveryRank =
      operand == Receive ? fb::CollectiveKind::AllGather : fb::CollectiveKind::ReduceScatter;
  if (collective.kind() != ofEveryRank)
    return bytes;
  return collective.whole() ? bytesOf(*collective.whole())
                            : bytes * Mesh(plan).ranksAlong(axesOf(*collective.axes()));
}

} // namespace vinci
