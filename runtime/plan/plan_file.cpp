#include "runtime/plan/plan_file.h"

#include <bit>
#include <cstring>
#include <string_view>
#include <xxhash.h>

namespace vinci {

static_assert(std::endian::native == std::endian::little,
              "plans are little-endian and read in place");

uint64_t hashBytes(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t hashHeader(const PlanHeader &header) {
  return XXH3_64bits(&header, offsetof(PlanHeader, headerHash));
}

bool looksLikePlan(std::span<const std::byte> bytes) {
  return bytes.size() >= planMagic.size() &&
         std::memcmp(bytes.data(), planMagic.data(), planMagic.size()) == 0;
}

PlanHeader readPlanHeader(std::span<const std::byte> file, const std::string &name,
                          HashCheck hashes) {
  if (!looksLikePlan(file))
    fail(SourcePosition{name}, "this is not a plan: it does not begin with \"{}\"",
         std::string_view(planMagic.data(), planMagic.size()));
  PlanHeader header;
  if (file.size() < sizeof header)
    fail(SourcePosition{name}, "the plan is truncated: {} bytes, its header alone has {}",
         file.size(), sizeof header);
  std::memcpy(&header, file.data(), sizeof header);
  // The version comes before the hash: another major may well hash otherwise.
  if (header.schemaMajor != planSchemaMajor)
    fail(SourcePosition{name},
         "the plan has schema version {}.{}, this vinci reads {}.0 to {}.{}: compile it again",
         header.schemaMajor, header.schemaMinor, planSchemaMajor, planSchemaMajor, planSchemaMinor);
  if (header.schemaMinor > planSchemaMinor)
    fail(SourcePosition{name},
         "the plan has schema version {}.{}, which is newer than the {}.{} this vinci reads",
         header.schemaMajor, header.schemaMinor, planSchemaMajor, planSchemaMinor);
  if (hashes == HashCheck::Verify && header.headerHash != hashHeader(header))
    fail(SourcePosition{name}, "the plan's header is damaged: hash {:016x}, expected {:016x}",
         hashHeader(header), header.headerHash);
  if (header.reserved != decltype(header.reserved){})
    fail(SourcePosition{name}, "the plan's reserved header fields are not zero");
  if (header.fileBytes != file.size())
    fail(SourcePosition{name}, "the plan is {}: {} bytes, its header says {}",
         file.size() < header.fileBytes ? "truncated" : "too long", file.size(), header.fileBytes);
  if (header.flatbufferBytes > maxPlanFlatbufferBytes)
    fail(SourcePosition{name}, "the plan's tables have {} bytes, the most that is read is {}",
         header.flatbufferBytes, maxPlanFlatbufferBytes);
  if (header.flatbufferBytes > file.size() - sizeof header)
    fail(SourcePosition{name}, "the plan's tables have {} bytes, more than the file of {}",
         header.flatbufferBytes, file.size());
  if (hashes == HashCheck::Verify) {
    uint64_t hash = hashBytes(file.subspan(sizeof header, header.flatbufferBytes));
    if (hash != header.flatbufferHash)
      fail(SourcePosition{name}, "the plan's tables are damaged: hash {:016x}, expected {:016x}",
           hash, header.flatbufferHash);
  }
  return header;
}

} // namespace vinci
