// The file around a plan's flatbuffer: header, flatbuffer, segments. docs/plan-format.md is its
// specification.
//
//   0      PlanHeader, 64 bytes
//   64     flatbuffer (root fb::Plan), then zeros up to a multiple of 4096
//   ...    segments, each at a multiple of 4096, in the order of Plan.segments, zeros between them
//
// All integers are little-endian. The reader is plan.h, the writer backend/plan/plan_writer.h.
#pragma once

#include "runtime/support/error.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vinci {

/// Majors never mix. A reader takes plans of its own minor and of older ones: minors only append.
inline constexpr uint32_t planSchemaMajor = 2;
inline constexpr uint32_t planSchemaMinor = 4;

inline constexpr std::array<char, 8> planMagic = {'V', 'I', 'N', 'C', 'I', 'P', 'L', 'N'};
inline constexpr uint64_t planSegmentAlignment = 4096;
/// The largest flatbuffer that is read; a plan's flatbuffer does not grow with the depth of the
/// model.
inline constexpr uint64_t maxPlanFlatbufferBytes = 256u << 20;

struct PlanHeader {
  std::array<char, 8> magic = planMagic;
  uint32_t schemaMajor = planSchemaMajor;
  uint32_t schemaMinor = planSchemaMinor;
  uint64_t flatbufferBytes = 0;
  uint64_t fileBytes = 0;
  uint64_t flatbufferHash = 0; ///< XXH3-64
  std::array<uint64_t, 2> reserved = {};
  uint64_t headerHash = 0; ///< XXH3-64 of the 56 bytes before it
};
static_assert(sizeof(PlanHeader) == 64);

/// XXH3-64, the hash of everything in a plan and a pack.
uint64_t hashBytes(std::span<const std::byte> bytes);

/// The value `headerHash` must have.
uint64_t hashHeader(const PlanHeader &header);

/// True if `bytes` begin as a plan does; says nothing about the rest.
bool looksLikePlan(std::span<const std::byte> bytes);

/// What a reader insists on. Fuzzers switch the hashes off to reach what lies behind them; nothing
/// else does.
enum class HashCheck { Verify, Skip };

/// The header of the file `name` whose whole content is `file`: magic, version, sizes and hash are
/// checked. Throws Error; a version it cannot read is named beside the one it can.
PlanHeader readPlanHeader(std::span<const std::byte> file, const std::string &name,
                          HashCheck hashes = HashCheck::Verify);

} // namespace vinci
