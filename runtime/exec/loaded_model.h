// A plan made ready to run on simulated devices, one for each of its ranks: kernels linked, memory
// allocated, every operand of every command resolved to an address.
#pragma once

#include "runtime/device/device.h"
#include "runtime/device/process_group.h"
#include "runtime/exec/step_runner.h"
#include "runtime/exec/traced_run.h"
#include "runtime/plan/plan.h"
#include "runtime/weights/pack.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace vinci {

struct LoadOptions {
  bool countExperts = false;      ///< StepRunner::expertsHit
  uint32_t threads = 0;           ///< 0: one per processor
  uint64_t deviceMemoryBytes = 0; ///< of each device; 0: its share of the host's physical memory
  /// Those that run the plan's ranks together, each as many, in their order; each steps with the
  /// same inputs. Null: this process runs all.
  ProcessGroup *processes = nullptr;
  /// Steps run command by command, and activations are poisoned as soon as nobody needs them
  /// (arena_poison.h): for debugging.
  bool poison = false;
};

/// The ranks of `plan` that this process runs. Throws Error if there are more processes than ranks,
/// or not as many ranks for each.
RankRange heldRanks(const Plan &plan, const ProcessGroup *processes);

class LoadedModel final : public StepRunner {
public:
  /// Throws Error unless weights, KV cache and activations of a rank fit into its device. The
  /// constructor does so, too; this is for those who have not packed the weights yet.
  static void requireMemory(const Plan &plan, const LoadOptions &options = {});

  /// `packs` are those of the ranks that this process runs. Throws Error if the processor lacks a
  /// feature that the kernels use, a kernel cannot be linked, or a rank does not fit into its
  /// device.
  LoadedModel(Plan plan, std::vector<Pack> packs, const LoadOptions &options = {});
  ~LoadedModel() override;

  const ModelLimits &limits() const override;
  const GraphCapture &graphs() const override;
  /// Checks its inputs: see checkStepInputs. Runs all ranks; the logits of a group are those of its
  /// first rank. All groups take as many rows as the one with the most: what the others lack is
  /// padding, which nothing that is asked for depends on. A step that a graph was captured for is
  /// replayed. Allocates nothing after the first step of each kind and size.
  std::span<const std::span<const float>> stepGroups(EntryKind kind,
                                                     std::span<const StepInputs> groups) override;
  std::span<const uint32_t> expertsHit() const override;
  /// A step with the same inputs for every group, with the same bits, command by command, and
  /// `after` on the calling thread; the logits of the first group. Commands have the ordinals of
  /// resolveEntry (resolve.h).
  std::span<const float> tracedStep(EntryKind kind, const StepInputs &inputs,
                                    const TraceObserver &after);

  /// A step with the same inputs for every group, command by command on all threads; `after` gets
  /// each command's ordinal (as in tracedStep) and the seconds that it took on all ranks, the start
  /// of the threads included.
  using TimeObserver = std::function<void(uint32_t ordinal, double seconds)>;
  void timedStep(EntryKind kind, const StepInputs &inputs, const TimeObserver &after);

  /// Makes up keys and values in all blocks of the KV cache, small ones: as if there had been
  /// prompts, for measuring speed.
  void fillCache(uint64_t seed);

  /// Steps that were replayed so far.
  uint64_t replays() const;
  /// Without: steps are launched command by command also where a graph was captured, to compare.
  void setReplay(bool replay);
  /// With LoadOptions::poison: the end of the highest byte of the arena that was ever written.
  uint64_t arenaHighWater() const;

  const Plan &plan() const;
  uint32_t ranks() const; ///< of the plan
  uint32_t threads() const;
  /// What products read of matrices of bfloat16 as a share of their two bytes an element: they are
  /// packed as Panel12. 1 without such.
  double bfloat16ReadShare() const;
  /// Of the device that uses the most.
  MemoryUse memoryUse() const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace vinci
