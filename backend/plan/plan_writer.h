// From tables to the bytes of a plan file. Deterministic: equal tables and segments give equal
// bytes.
#pragma once

#include "runtime/plan/plan_generated.h"

#include <cstddef>
#include <vector>

namespace vinci {

struct SegmentData {
  fb::SegmentKind kind = fb::SegmentKind::Object;
  std::vector<std::byte> bytes; ///< not empty
};

/// The plan file's content. `plan.segments` is filled in from `segments` (kind, offset, bytes,
/// hash). The result has been read back and verified; a plan that does not verify is a defect of
/// the caller and throws an internal Error.
std::vector<std::byte> serializePlan(fb::PlanT &plan, const std::vector<SegmentData> &segments);

} // namespace vinci
