// From tables to the bytes of a plan file. Deterministic: equal tables and segments give equal
// bytes.
#pragma once

#include "runtime/plan/plan_generated.h"

#include <cstddef>
#include <filesystem>
#include <string>
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

/// Replaces `path` by `bytes` in one step (a temporary file beside it, then rename), so that a
/// reader never sees half a plan. Throws Error naming `path` if it cannot be written.
void writeFileAtomically(const std::filesystem::path &path, const std::vector<std::byte> &bytes);

/// Both: serializePlan to the file at `path`.
void writePlan(const std::filesystem::path &path, fb::PlanT &plan,
               const std::vector<SegmentData> &segments);

} // namespace vinci
