// What a device runs: a flat list of commands whose operands are addresses, with the order among
// them.
//
// A list holds no sizes of a step: each command names a StepDims that is read when it runs, so that
// one list serves every step (the vendor's graphs do the same with tiling data in device memory).
#pragma once

#include "runtime/plan/kernel_abi.h"
#include "runtime/support/dtype.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vinci {

class CommunicatorGroup;

/// Values of the symbolic dimensions of one step, in the order that kernels expect.
struct StepDims {
  std::array<uint64_t, VINCI_DIM_COUNT> values = {1};

  uint64_t &operator[](VinciDim dim) { return values[dim]; }
  uint64_t operator[](VinciDim dim) const { return values[dim]; }
};

/// scale * dims[symbol], e.g. the number of elements of a buffer.
struct Extent {
  VinciDim symbol = VINCI_DIM_ONE;
  uint64_t scale = 0;

  uint64_t in(const StepDims &dims) const { return scale * dims[symbol]; }
};

/// tiles = ceil(dims[symbol] * scale / rowBlock) * columns. The caller keeps this below 2^32.
struct TileRule {
  VinciDim symbol = VINCI_DIM_ONE;
  uint64_t scale = 1;
  uint32_t rowBlock = 1;
  uint32_t columns = 1;

  uint64_t tiles(const StepDims &dims) const {
    uint64_t rows = dims[symbol] * scale;
    return (rowBlock == 1 ? rows : (rows + rowBlock - 1) / rowBlock) * columns;
  }
};

/// One kernel over all its tiles. `dims` must live until the command has run for the last time.
struct KernelLaunch {
  VinciKernel kernel = nullptr;
  std::span<void *const> buffers;
  TileRule tiles;
  const StepDims *dims = nullptr;
};

enum class CollectiveKind : uint8_t { AllReduce, AllGather, ReduceScatter, Broadcast, AllToAll };

/// "all_reduce", "all_gather", ...
const char *toString(CollectiveKind kind);

/// One rank's part of a collective. Communicator (communicator.h) says what each kind does.
struct CollectiveCall {
  CommunicatorGroup *group = nullptr;
  uint32_t rank = 0;
  CollectiveKind kind = CollectiveKind::AllReduce;
  const void *send = nullptr;
  void *receive = nullptr;
  Extent count; ///< elements; what they count depends on the kind
  Extent whole; ///< of gathers and scatters: elements of all ranks, if the last ones' parts may be
                ///< short or empty; scale 0: `count` of each
  DType dtype = DType::Float32;
  uint32_t root = 0; ///< Broadcast only
  const StepDims *dims = nullptr;
};

/// State that a CommandRunner keeps with a list between runs.
class RunnerState {
public:
  virtual ~RunnerState() = default;
};

/// Commands in an order that is always legal to run them in: every dependency points backwards.
/// Commands that no dependency orders may run at the same time.
class CommandList {
public:
  struct Command {
    VinciKernel kernel; ///< null: a collective
    const StepDims *dims;
    TileRule tiles;
    uint32_t firstBuffer; ///< into buffers(); of a collective: its index in collectives()
    uint32_t firstWait;   ///< into waits()
    uint32_t waitCount;
    uint32_t after; ///< all commands with a smaller ordinal must have finished
  };

  /// Adds a command that starts once the commands `waits` and everything before the last barrier
  /// have finished. Returns its ordinal. Throws Error if a wait does not name an earlier command.
  uint32_t add(const KernelLaunch &launch, std::span<const uint32_t> waits = {});
  /// As above. A rank's collectives on one communicator always run in the order in which they were
  /// added.
  uint32_t add(const CollectiveCall &call, std::span<const uint32_t> waits = {});
  /// Everything added from now on starts after everything that was added before.
  void barrier();
  /// All commands of `other`, with its order among them, after the commands of this list.
  void append(const CommandList &other);
  /// The commands begin .. end - 1 alone, to be run when all before them have finished.
  CommandList part(uint32_t begin, uint32_t end) const;
  void clear();

  size_t size() const { return commands_.size(); }
  const Command &command(size_t ordinal) const { return commands_[ordinal]; }
  std::span<const uint32_t> waits(const Command &command) const {
    return {waits_.data() + command.firstWait, command.waitCount};
  }
  void *const *buffers(const Command &command) const {
    return buffers_.data() + command.firstBuffer;
  }
  const CollectiveCall &collective(const Command &command) const {
    return collectives_[command.firstBuffer];
  }

  /// For the runner alone; dropped whenever the list changes.
  std::unique_ptr<RunnerState> runnerState;

private:
  uint32_t push(Command command, std::span<const uint32_t> waits);

  std::vector<Command> commands_;
  std::vector<uint32_t> waits_;
  std::vector<void *> buffers_;
  std::vector<CollectiveCall> collectives_;
  std::vector<uint32_t> collectiveOrdinals_; ///< which command each of collectives_ is
  uint32_t after_ = 0;
};

/// Who runs command lists: the region executor (runtime/exec), or SequentialRunner.
class CommandRunner {
public:
  virtual ~CommandRunner() = default;
  /// Runs all commands of all lists, one list per device, and returns when they have finished.
  /// Collectives meet across the lists. Throws Error if ranks disagree on a collective or one of
  /// them never comes; the communicator is unusable from then on.
  virtual void run(std::span<CommandList *const> lists) = 0;
};

} // namespace vinci
