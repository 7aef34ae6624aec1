// What a plan needs of a device's memory, and how long sequences may become there.
#pragma once

#include "frontend/deployment_spec.h"
#include "runtime/device/device_spec.h"
#include "runtime/device/memory_budget.h"
#include "runtime/plan/plan.h"
#include "runtime/serving/kv_capacity.h"

#include <optional>
#include <string>
#include <vector>

namespace vinci {

/// A block of the KV cache as a device lays it out: without the padding of ours.
KvGeometry kvGeometryOf(const fb::Plan &plan);

/// The arena as far as layers use it, for a step of `tokens`, and logits for `rows`: a plan without
/// max_logit_rows has room for the logits of every token, which a server never asks for.
uint64_t activationBytes(const fb::Plan &plan, uint64_t tokens, uint64_t rows);

/// A plan, a device, and the settings that they meet under: of a plan alone there are none.
class PlanMemory {
public:
  /// All must outlive it. `kvBlocks`: blocks that were asked for, in place of the deployment's
  /// rule.
  PlanMemory(const Plan &plan, const DeploymentSpec &deployment, const DeviceSpec &device,
             std::optional<int64_t> kvBlocks = std::nullopt);

  const MemoryBudget &budget() const { return budget_; }
  /// Sequences of the deployment's longest input and output that the KV cache holds, as MindIE
  /// counts; else sequences of max_seq_len.
  uint64_t kvSequences() const;

  /// Something that bounds the length of a sequence.
  struct Bound {
    const char *what;
    uint64_t tokens;
    std::string why;
  };
  /// The KV cache, the rotary table, activations and mask, and the block table, which is as wide as
  /// max_seq_len asks for.
  const std::vector<Bound> &bounds() const { return bounds_; }
  /// The bound that binds; with `compiled` false, if the plan were compiled for longer sequences.
  const Bound &longest(bool compiled = true) const;
  /// What is wrong; empty: budget and a sequence of max_seq_len fit.
  std::string problem() const;
  /// True if a shorter max_seq_len alone is what lacks.
  bool sequencesAreTooLong() const;

  /// The most tokens per step that leave room for a sequence of max_seq_len; 0 if none do.
  uint64_t mostTokensPerStep() const;
  /// False where a prompt must fit into one step.
  bool chunkedPrefill() const;
  /// The smallest KV cache that is useful: a sequence of max_seq_len.
  uint64_t leastKvBlocks() const;
  uint64_t bytesLeftForKv() const;
  uint64_t bytesPerKvBlock() const { return demand_.bytesPerKvBlock; }
  /// What it takes at least: everything before the KV cache, and a cache of the size that was asked
  /// for or, where it takes what is left, of the least that is useful.
  uint64_t neededBytes() const { return demand_.beforeKvCache() + neededKvBytes(); }

private:
  MemoryDemand demandOf(uint64_t tokensPerStep, uint64_t sequence) const;
  bool holds(uint64_t sequence) const;
  /// True if a number of blocks or bytes was asked for.
  bool saysKvSize() const { return rule_.kvBlocks || rule_.kvGib.value_or(-1) >= 0; }
  uint64_t neededKvBytes() const;
  std::vector<Bound> findBounds() const;

  const fb::Plan &plan_;
  const DeploymentSpec &deployment_;
  MemoryRule rule_;
  MemoryDemand demand_;
  MemoryBudget budget_;
  std::vector<Bound> bounds_;
};

} // namespace vinci
