// What the parts of the plan verifier share. Not for use outside verify*.cpp.
#pragma once

#include "runtime/plan/layout.h"
#include "runtime/plan/quote.h"
#include "runtime/plan/types.h"
#include "runtime/support/error.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace vinci::planverify {

// Far above what any model needs; they keep the verifier's time and memory bounded whatever a file
// claims.
inline constexpr uint32_t maxBuffers = 4096;
inline constexpr uint32_t maxBodies = 256;
inline constexpr uint32_t maxCommandsPerBody = 4096;
inline constexpr uint32_t maxParametersPerBody = 4096;
inline constexpr uint32_t maxCallsPerEntry = 4096;
inline constexpr uint64_t maxBindingsPerEntry = 1 << 18;
inline constexpr uint32_t maxKernels = 65536;
inline constexpr uint32_t maxOperandsPerKernel = 32;
inline constexpr uint32_t maxRank = 8;
inline constexpr uint32_t maxLayers = 65536;
inline constexpr uint32_t maxStackCount = 65536;
inline constexpr uint32_t maxMeshAxes = 8;
inline constexpr uint32_t maxRanks = 65536;
inline constexpr uint32_t maxPiecesPerWeight = 64;
inline constexpr uint32_t maxGraphSizes = 4096;
inline constexpr uint64_t maxInt32 = 0x7fffffff;
inline constexpr uint64_t maxTiles = maxInt32;
/// 64-bit words of ordering sets compared, and overlapping buffers looked at, per plan.
inline constexpr uint64_t maxWork = uint64_t(1) << 30;

inline constexpr uint32_t stepInputs = 7;
inline constexpr uint32_t stepOutputs = 1;

/// The plan under verification and the way to complain about it.
struct Context {
  const fb::Plan &plan;
  const std::string &name;

  template <typename... Args>
  [[noreturn]] void fail(const std::string &where, fmt::format_string<Args...> format,
                         Args &&...args) const {
    vinci::fail(SourcePosition{name}, "{}: {}", where,
                fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename T>
  const T *require(const T *field, const std::string &where, std::string_view fieldName) const {
    if (!field)
      fail(where, "{} is absent", fieldName);
    return field;
  }
  /// flatbuffers' verifier aligns a vector's length, not its elements.
  template <typename T>
  const flatbuffers::Vector<T> *require(const flatbuffers::Vector<T> *field,
                                        const std::string &where,
                                        std::string_view fieldName) const {
    if (!field)
      fail(where, "{} is absent", fieldName);
    if (reinterpret_cast<uintptr_t>(field->Data()) % alignof(std::remove_pointer_t<T>) != 0)
      fail(where, "{} is not aligned", fieldName);
    return field;
  }
  std::string_view requireName(const flatbuffers::String *text, const std::string &where,
                               std::string_view fieldName) const {
    if (require(text, where, fieldName)->size() == 0)
      fail(where, "{} is empty", fieldName);
    return text->string_view();
  }
  /// Enums of the flatbuffer are plain bytes until looked at.
  template <typename Enum>
  void requireEnum(Enum value, const std::string &where, std::string_view fieldName) const {
    if (value > Enum::MAX)
      fail(where, "{} {} is unknown, the largest is {}", fieldName, unsigned(value),
           unsigned(Enum::MAX));
  }
  /// The type of weights, activations and the KV cache.
  void requireFloat(fb::DType type, const std::string &where) const;
  void requireRange(uint64_t value, uint64_t least, uint64_t most, const std::string &where,
                    std::string_view fieldName) const {
    if (value < least || value > most)
      fail(where, "{} is {}, legal are {} to {}", fieldName, value, least, most);
  }
  /// Checks `dims` and returns their product at the limits times the element size.
  uint64_t bytesAtLimits(const flatbuffers::Vector<const fb::Dim *> *dims, fb::DType type,
                         const std::string &where) const;
};

/// What running a body does to the contents of the arena, whatever call it runs in.
struct BodyEffect {
  static constexpr uint32_t none = ~uint32_t(0);
  enum class State : uint8_t { Untouched, Written, Clobbered };
  struct Need {
    uint32_t buffer;
    uint32_t command; ///< the first that reads it
  };
  std::vector<Need> needs;                ///< buffers it reads before it writes them
  std::vector<State> states;              ///< of each buffer afterwards
  std::vector<uint32_t> clobberedBy;      ///< buffer that overwrote a clobbered one
  std::vector<uint32_t> parameterWriters; ///< of each parameter: a command that writes it, or none
  /// Of each parameter: a command that is no prefetch and names it, or none; and one that is.
  std::vector<uint32_t> parameterUsers, parameterPrefetches;
  bool writesOutput = false;
};

/// overlaps[b]: the buffers, b itself among them, that share bytes with b.
using Overlaps = std::vector<std::vector<uint32_t>>;
Overlaps findOverlaps(const fb::Plan &plan);

std::string bufferWhere(const fb::Plan &plan, uint32_t index);
std::string commandWhere(const fb::Plan &plan, uint32_t body, uint32_t command);

// verify_tables.cpp: everything that can be checked by looking at one table.
void verifyModel(const Context &context);
void verifyMemory(const Context &context);
void verifySegments(const Context &context, uint64_t tablesEnd, uint64_t fileBytes);
void verifyKernels(const Context &context);
void verifyDebug(const Context &context);

// verify_ranks.cpp: what concerns ranks. The mesh must have been verified before the others.
void verifyMesh(const Context &context);
/// Pieces and shards; the weight's shape must be what they make. Its count has been verified.
void verifyPieces(const Context &context, const fb::Weight *weight, const std::string &where);
/// The collective of `kernel`, which has one.
void verifyCollective(const Context &context, const fb::Kernel *kernel, const std::string &where);

// verify_costs.cpp
/// What the clock computes with, of a compiled kernel.
void verifyCost(const Context &context, const fb::Cost &cost, const std::string &where);

// verify_streams.cpp
/// The streams and events of a body whose commands and waits have been verified: they say what the
/// waits say. `work` counts towards maxWork.
void verifyStreams(const Context &context, uint32_t body, uint64_t &work);

// verify_bodies.cpp: commands, their order and their use of memory. `work` counts towards maxWork.
BodyEffect verifyBody(const Context &context, uint32_t body, const Overlaps &overlaps,
                      uint64_t &work);

// verify_entries.cpp: step tensors, calls, bindings, and what each call finds in the arena.
struct ExpectedTensor {
  std::string_view name;
  fb::DType dtype;
  std::vector<fb::Dim> dims;
};
std::vector<ExpectedTensor> expectedInputs(const fb::Plan &plan);
void verifyEntries(const Context &context, std::span<const BodyEffect> effects);

} // namespace vinci::planverify
