#include "runtime/plan/plan.h"

#include "runtime/plan/layout.h"
#include "runtime/plan/verify.h"
#include "runtime/support/error.h"

#include <algorithm>

namespace vinci {
namespace {

/// Checks structure only: that every offset inside the flatbuffer leads to something of the right
/// type.
const fb::Plan *readTables(std::span<const std::byte> bytes, const std::string &name) {
  const auto *data = reinterpret_cast<const uint8_t *>(bytes.data());
  flatbuffers::Verifier::Options options;
  options.max_depth = 8; // Plan > Body > strings; the schema nests no deeper
  options.max_tables = 1'000'000;
  flatbuffers::Verifier verifier(data, bytes.size(), options);
  // Below this size even the root offset is not there to be looked at.
  if (bytes.size() < 2 * sizeof(flatbuffers::uoffset_t) || !fb::PlanBufferHasIdentifier(data) ||
      !fb::VerifyPlanBuffer(verifier))
    fail(SourcePosition{name}, "the plan's tables are malformed");
  return fb::GetPlan(data);
}

/// Nothing in the file escapes a hash: what lies between the parts must be zeros.
void verifyPadding(std::span<const std::byte> padding, const std::string &name) {
  if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
    fail(SourcePosition{name}, "the plan is damaged: bytes between its parts are not zero");
}

} // namespace

Plan::Plan(MappedFile file, std::string name, HashCheck hashes)
    : file_(std::move(file)), name_(std::move(name)) {
  PlanHeader header = readPlanHeader(bytes(), name_, hashes);
  root_ = readTables(bytes().subspan(sizeof header, header.flatbufferBytes), name_);
  verifyPlan(*root_, sizeof header + header.flatbufferBytes, bytes().size(), name_);
  if (hashes == HashCheck::Skip)
    return;
  uint64_t end = sizeof header + header.flatbufferBytes;
  for (uint32_t i = 0; i < root_->segments()->size(); ++i) {
    const fb::Segment *segment = root_->segments()->Get(i);
    verifyPadding(bytes().subspan(end, segment->offset() - end), name_);
    end = segment->offset() + segment->bytes();
    uint64_t hash = hashBytes(this->segment(i));
    if (hash != segment->hash())
      fail(SourcePosition{name_},
           "segment {} of the plan is damaged: hash {:016x}, expected {:016x}", i, hash,
           segment->hash());
  }
}

Plan Plan::open(const std::filesystem::path &path) {
  return Plan(MappedFile::open(path), path.string(), HashCheck::Verify);
}

Plan Plan::parse(std::span<const std::byte> bytes, std::string name) {
  return Plan(MappedFile::copyOf(bytes), std::move(name), HashCheck::Verify);
}

Plan Plan::parseUnhashed(std::span<const std::byte> bytes, std::string name) {
  return Plan(MappedFile::copyOf(bytes), std::move(name), HashCheck::Skip);
}

std::span<const std::byte> Plan::segment(size_t index) const {
  const fb::Segment *segment = root_->segments()->Get(static_cast<uint32_t>(index));
  return bytes().subspan(segment->offset(), segment->bytes());
}

std::span<const std::byte> Plan::constant(size_t index, uint32_t rank) const {
  const fb::Constant *constant = root_->constants()->Get(static_cast<uint32_t>(index));
  const uint64_t before =
      constant->per_rank() ? rank * roundUp(constant->bytes(), bufferAlignment) : 0;
  return segment(constant->segment()).subspan(constant->offset() + before, constant->bytes());
}

const fb::Entry *Plan::entry(std::string_view name) const {
  for (const fb::Entry *entry : *root_->entries())
    if (entry->name()->string_view() == name)
      return entry;
  return nullptr;
}

} // namespace vinci
