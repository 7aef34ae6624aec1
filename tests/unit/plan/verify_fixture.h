// Runs the verifier on tables that need no file around them.
#pragma once

#include "runtime/plan/layout.h"
#include "runtime/plan/verify.h"
#include "runtime/support/error.h"
#include "tests/unit/plan/sample_plan.h"

#include <string>

namespace vinci {

namespace sample {

/// Where the tables of planWithSegments are said to end, and its file.
inline constexpr uint64_t tablesEnd = 4000, fileBytes = 12320;

inline fb::PlanT withSegments(fb::PlanT result) {
  uint64_t offset = 4096;
  for (const SegmentData &data : segments()) {
    auto segment = std::make_unique<fb::SegmentT>();
    segment->kind = data.kind;
    segment->offset = offset;
    segment->bytes = data.bytes.size();
    offset = roundUp(offset + data.bytes.size(), 4096);
    result.segments.push_back(std::move(segment));
  }
  return result;
}

inline fb::PlanT planWithSegments() {
  return withSegments(plan());
}

} // namespace sample

inline void verifySample(const fb::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &plan));
  verifyPlan(*fb::GetPlan(builder.GetBufferPointer()), sample::tablesEnd, sample::fileBytes,
             "test.plan");
}

/// What the verifier says of `plan`; empty if nothing.
inline std::string verifierMessage(const fb::PlanT &plan) {
  try {
    verifySample(plan);
  } catch (const Error &error) {
    return error.message();
  }
  return "";
}

} // namespace vinci
