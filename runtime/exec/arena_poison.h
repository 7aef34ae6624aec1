// Poisons the memory of activations that nobody needs any more, to find commands that read them all
// the same: for debugging (`vinci run --poison`).
//
// Poison is all ones: not a number in every float type. A plan in which two live buffers overlap
// gives poison to whoever reads the one after the other has been freed, and the logits show it.
#pragma once

#include "runtime/plan/plan.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vinci {

/// When the buffers of an entry die: after the last command that reads them, unless the command
/// writes its result in their place.
class ArenaPoison {
public:
  /// `plan` must outlive it. Ordinals are those of resolveEntry.
  ArenaPoison(const fb::Plan &plan, const fb::Entry &entry);

  /// Before a step: the whole arena.
  void begin(std::byte *arena) const;
  /// After the command `ordinal` has run on a rank with this arena.
  void after(uint32_t ordinal, std::byte *arena);

  /// The end of the highest byte of the arena that a command has written, so far.
  uint64_t highWater() const { return highWater_; }

private:
  struct Command {
    std::vector<uint32_t> written, freed; ///< buffers
  };

  const fb::Plan &plan_;
  std::vector<Command> commands_; ///< by ordinal
  uint64_t highWater_ = 0;
};

/// Throws Error if a logit is not a number.
void requireNumbers(std::span<const float> logits);

} // namespace vinci
