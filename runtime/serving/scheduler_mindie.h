// MindIE's scheduler: prefill and decode in separate steps, prefill first (templateType Standard),
// or chunks of prompts beside the decodes (Mix).
//
// What its manual leaves open is decided so: queued requests wait for a fuller prefill batch only
// while nothing decodes; with maxPreemptCount 0 a request is admitted when all blocks that it may
// need are there, counted as the manual counts them, so that nothing stalls later.
#pragma once

#include "runtime/serving/kv_capacity.h"
#include "runtime/serving/scheduler.h"

#include <optional>

namespace vinci {

/// prefillPolicyType and decodePolicyType.
enum class MindiePolicy : uint8_t {
  FirstCome = 0,
  State = 1,    ///< decode: who has not decoded yet first; prefill: as FirstCome
  Priority = 2, ///< the request's priority, then first come
  MultiLevel =
      3, ///< feedback queues: fewer tokens served (prefill: to compute) first, by powers of 2
};

/// ModelDeployConfig, ModelConfig and ScheduleConfig of config.json, by their names there.
struct MindieSettings {
  int64_t maxSeqLen = 2560;
  int64_t maxInputTokenLen = 2048;
  bool truncation = false;
  double npuMemSize = -1; ///< GiB for KV; -1: what is left of the device's memory
  double cpuMemSize = 5;  ///< GiB to swap to; used if maxPreemptCount > 0
  bool mixed = false;     ///< templateType Mix
  int64_t cacheBlockSize = 128;
  int64_t maxPrefillBatchSize = 50;
  int64_t maxPrefillTokens = 8192; ///< of a prefill step; of a whole step with Mix
  int64_t prefillTimeMsPerReq = 150;
  int64_t prefillPolicyType = 0;
  int64_t decodeTimeMsPerReq = 50;
  int64_t decodePolicyType = 0;
  int64_t maxBatchSize = 200; ///< requests that run
  int64_t maxIterTimes = 512;
  int64_t maxPreemptCount = 0; ///< requests that may be swapped out at a time
  bool supportSelectBatch = false;
  int64_t maxQueueDelayMicroseconds = 5000;
  int64_t maxFirstTokenWaitTime = 2500; ///< ms; used if supportSelectBatch
};

/// "Standard" or "Mix" into MindieSettings::mixed. Throws Error for anything else.
bool parseTemplateType(std::string_view text);

/// What a stack can batch, whatever the settings say; 0: no bound. An exported model of batch size
/// 1 has both 1.
struct BatchBounds {
  uint32_t prefill = 0;
  uint32_t decode = 0;
};

/// Throws Error naming the first knob that is out of range, or at odds with another. A bound of the
/// stack is refused in the words of MindIE: "scheduleParam.maxPrefillBatchSize [50] is out of bound
/// [1]".
void checkSettings(const MindieSettings &settings, const BatchBounds &bounds = {});

struct KvPool {
  uint32_t deviceBlocks = 0;
  uint32_t hostBlocks = 0;
};

/// npuMemSize and cpuMemSize as blocks of cacheBlockSize tokens; `geometry.blockSize` is not looked
/// at. `device` is needed for npuMemSize -1. Throws Error if a pool holds no block.
KvPool kvPool(const MindieSettings &settings, KvGeometry geometry,
              const std::optional<DeviceMemory> &device = std::nullopt);

class MindieScheduler final : public Scheduler {
public:
  /// Throws as checkSettings().
  MindieScheduler(const MindieSettings &settings, const KvPool &pool,
                  const BatchBounds &bounds = {});

private:
  Admission limit(const SchedulerRequest &request) const override;
  void plan(int64_t nowNs, ScheduledStep &step) override;
  uint64_t queueKey(const Sequence &sequence) const override;

  bool reservesAll() const { return settings_.maxPreemptCount == 0; }
  uint32_t blocksToAdmit(const Sequence &sequence) const;
  bool headMayRun();
  bool waitsForFullerBatch(int64_t nowNs, ScheduledStep &step);
  bool selectsPrefill(int64_t nowNs);
  void admit(uint32_t budget, ScheduledStep &step);
  void continuePrefills(uint32_t &budget, ScheduledStep &step);
  void decode(ScheduledStep &step);
  std::pair<uint64_t, uint64_t> decodeKey(const Sequence &sequence) const;
  bool makeRoom(size_t index, size_t &end, ScheduledStep &step);
  void swapBack(ScheduledStep &step);

  const MindieSettings settings_;
  const size_t prefillLimit_, decodeLimit_;
  int64_t wastedMs_ = 0;        ///< of the selection rule
  std::vector<uint32_t> order_; ///< the running, most urgent first
};

} // namespace vinci
