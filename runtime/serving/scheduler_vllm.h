// vLLM's scheduler of version 1 (one budget of tokens per step for decodes and chunks of prompts
// alike), and vllm-ascend's, which prefills first and does not mix. Blocks are taken as they are
// needed; where there are none, the request admitted last is preempted and computed again.
#pragma once

#include "runtime/serving/scheduler.h"

namespace vinci {

/// By the names of vLLM's options.
struct VllmSettings {
  int64_t maxNumSeqs = 256;           ///< requests that run
  int64_t maxNumBatchedTokens = 8192; ///< tokens per step
  int64_t maxModelLen = 8192;         ///< prompt and output
  int64_t blockSize = 128;
  int64_t numBlocks = 0; ///< of the KV cache; must be set
  bool chunkedPrefill = true;
  bool prefixCaching = true; ///< of full blocks of prompts
  bool asyncScheduling = false;
  bool ascendScheduler = false; ///< ascend_scheduler_config.enabled; with chunked prefill as vLLM's
};

/// Throws Error naming the first option that is out of range, or at odds with another.
void checkSettings(const VllmSettings &settings);

class VllmScheduler final : public Scheduler {
public:
  /// Throws as checkSettings().
  explicit VllmScheduler(const VllmSettings &settings);

private:
  Admission limit(const SchedulerRequest &request) const override;
  void plan(int64_t nowNs, ScheduledStep &step) override;

  bool continueRunning(uint32_t &budget, ScheduledStep &step);
  bool growByPreempting(uint32_t slot, uint32_t tokens);
  void admit(uint32_t &budget, ScheduledStep &step);
  uint32_t findPrefix(const Sequence &sequence);

  const VllmSettings settings_;
  std::vector<int32_t> prefix_; ///< blocks that findPrefix() found
};

} // namespace vinci
