// The phases of compiling a model, for --stop-after and for dumps. No MLIR in here.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace vinci {

enum class Phase {
  Import,    ///< the model as `llm` IR
  Partition, ///< what each of its ranks computes, with collectives
  Fuse,      ///< with ops fused
  Lower,     ///< a device program in `npu` IR
  Schedule,  ///< with what each launch waits for
  Memory,    ///< with the place of every buffer
  Plan,      ///< the plan file
};

inline constexpr std::array<std::string_view, 7> phaseNames = {
    "import", "partition", "fuse", "lower", "schedule", "memory", "plan"};

constexpr std::string_view toString(Phase phase) {
  return phaseNames[static_cast<size_t>(phase)];
}

/// The inverse of toString; nullopt for anything else.
constexpr std::optional<Phase> parsePhase(std::string_view name) {
  for (size_t i = 0; i < phaseNames.size(); ++i)
    if (phaseNames[i] == name)
      return static_cast<Phase>(i);
  return std::nullopt;
}

} // namespace vinci
