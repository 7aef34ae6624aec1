// Runs the command lists of the ranks that this process holds of a plan, where others hold the
// rest: piece by piece between collectives, each piece on all threads.
//
// All ranks of all processes come to their collectives in one order (the program is one), so those
// that they come to at the same time are exchanged in one go, and no process can wait for another
// that waits for it, however few threads there are.
#pragma once

#include "runtime/device/command_list.h"

namespace vinci {

class LockstepRunner final : public CommandRunner {
public:
  /// `runner` runs what lies between collectives. It must outlive this.
  explicit LockstepRunner(CommandRunner &runner) : runner_(runner) {}

  /// Lists of one program: collectives are in the same places. Throws Error if they are not.
  void run(std::span<CommandList *const> lists) override;

private:
  struct Pieces;
  void runPieces(std::span<Pieces *const> lists, size_t piece);

  CommandRunner &runner_;
  std::vector<Pieces *> pieces_;     // scratch of run
  std::vector<CommandList *> toRun_; // likewise
  std::vector<CommunicatorGroup *> remote_;
};

} // namespace vinci
