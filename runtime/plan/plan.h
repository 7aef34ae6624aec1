// A compiled plan, read and verified: the only way into a plan for the runtime and the tools.
#pragma once

#include "runtime/plan/mapped_file.h"
#include "runtime/plan/plan_file.h"
#include "runtime/plan/types.h"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vinci {

/// An immutable plan. Whoever holds one may index it without further checks: structure (header,
/// hashes, flatbuffer, segments) and meaning (verify.h) were verified before it came to be. Moves;
/// root() and segments stay where they are. Hashes protect against accidents, not against malice:
/// segments hold machine code, run only plans you trust.
class Plan {
public:
  /// Maps the file at `path`. Throws Error naming the path and what is wrong with the plan.
  static Plan open(const std::filesystem::path &path);

  /// A copy of a plan in memory; `name` stands for the path in messages.
  static Plan parse(std::span<const std::byte> bytes, std::string name);

  /// As parse, but without comparing hashes: for fuzzing what lies behind them.
  static Plan parseUnhashed(std::span<const std::byte> bytes, std::string name);

  const fb::Plan *root() const { return root_; }
  /// The bytes of segment `index` of root()->segments(), in place.
  std::span<const std::byte> segment(size_t index) const;
  /// The bytes of constant `index` of root()->constants() that `rank` reads, in place and 64-byte
  /// aligned.
  std::span<const std::byte> constant(size_t index, uint32_t rank = 0) const;
  /// The entry called `name` ("prefill", "decode", "score": every plan has these), or nullptr.
  const fb::Entry *entry(std::string_view name) const;

  /// The path, for messages.
  const std::string &name() const { return name_; }
  /// The whole file.
  std::span<const std::byte> bytes() const { return file_.bytes(); }

private:
  Plan(MappedFile file, std::string name, HashCheck hashes);

  MappedFile file_;
  const fb::Plan *root_ = nullptr;
  std::string name_;
};

} // namespace vinci
