#include "backend/plan/plan_writer.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/plan.h"

#include <cstring>

namespace vinci {
namespace {

flatbuffers::FlatBufferBuilder buildTables(const fb::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  fb::FinishPlanBuffer(builder, fb::Plan::Pack(builder, &plan));
  return builder;
}

/// Segments follow the tables, and the tables say where the segments are. Offsets are fixed-size
/// fields (as long as they are not the default, 0), so tables built with any offsets have the final
/// size.
void placeSegments(fb::PlanT &plan, const std::vector<SegmentData> &segments) {
  plan.segments.clear();
  for (const SegmentData &data : segments) {
    if (data.bytes.empty())
      failInternal("a plan segment is empty");
    auto segment = std::make_unique<fb::SegmentT>();
    segment->kind = data.kind;
    segment->offset = planSegmentAlignment;
    segment->bytes = data.bytes.size();
    segment->hash = hashBytes(data.bytes);
    plan.segments.push_back(std::move(segment));
  }
  uint64_t end = sizeof(PlanHeader) + buildTables(plan).GetSize();
  for (auto &segment : plan.segments) {
    segment->offset = roundUp(end, planSegmentAlignment);
    end = segment->offset + segment->bytes;
  }
}

} // namespace

std::vector<std::byte> serializePlan(fb::PlanT &plan, const std::vector<SegmentData> &segments) {
  placeSegments(plan, segments);
  flatbuffers::FlatBufferBuilder tables = buildTables(plan);
  PlanHeader header;
  header.flatbufferBytes = tables.GetSize();
  header.fileBytes = segments.empty() ? sizeof header + tables.GetSize()
                                      : plan.segments.back()->offset + segments.back().bytes.size();
  header.flatbufferHash =
      hashBytes(std::as_bytes(std::span(tables.GetBufferPointer(), tables.GetSize())));
  header.headerHash = hashHeader(header);

  std::vector<std::byte> bytes(header.fileBytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, tables.GetBufferPointer(), tables.GetSize());
  for (size_t i = 0; i < segments.size(); ++i)
    std::memcpy(bytes.data() + plan.segments[i]->offset, segments[i].bytes.data(),
                segments[i].bytes.size());
  try {
    Plan::parse(bytes, "the plan just compiled");
  } catch (const Error &error) {
    throw Error(ErrorKind::Internal, error.position(), error.message());
  }
  return bytes;
}

} // namespace vinci
