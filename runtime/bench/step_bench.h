// How fast a loaded model works through prompts and generates, test by test, with what the machine
// could do at best measured beside each repetition.
#pragma once

#include "runtime/bench/machine_peak.h"
#include "runtime/clock/plan_work.h"
#include "runtime/exec/loaded_model.h"
#include "runtime/serving/step_batch.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vinci {

/// One thing that is measured: a prompt of `tokens`, or `tokens` decode steps of `batch` sequences
/// that have `depth` tokens in the cache before.
struct BenchTest {
  enum class Kind : uint8_t { Prompt, Decode };

  Kind kind = Kind::Decode;
  uint32_t tokens = 0;
  uint32_t batch = 1;
  uint32_t depth = 0;
  std::string name; ///< "pp512", "tg128", "tg64@d2048", "tg32@b8"

  static BenchTest prompt(uint32_t tokens);
  static BenchTest decode(uint32_t tokens);
  static BenchTest atDepth(uint32_t tokens, uint32_t depth);
  /// Each of the sequences has as many tokens before as it generates.
  static BenchTest batched(uint32_t tokens, uint32_t batch);

  /// The longest sequence, its last token included.
  uint32_t maxSeqLen() const { return depth + tokens; }
  uint32_t kvBlocks(uint32_t blockSize) const {
    return batch * ((maxSeqLen() + blockSize - 1) / blockSize);
  }
};

/// Why a model with these limits cannot run the test, as "needs max_seq_len 2112, the plan has
/// 2048"; empty if it can.
std::string misfit(const BenchTest &test, const ModelLimits &limits);

/// One run of a test. Work is that of all ranks together.
struct BenchRun {
  double seconds = 0;
  double tokens = 0; ///< of the prompt, or generated in all sequences
  StepWork work;
  double bytesRead = 0; ///< StepBench::bytesRead of `work`
  // What the machine did right before, and right after where that was faster.
  double readGbPerS = 0, multiplyTflops = 0, int8Tops = 0;

  double tokensPerS() const { return tokens / seconds; }
  /// Of weights, and of keys and values: what must come from memory at least.
  double gbPerS() const { return bytesRead / seconds / 1e9; }
  double tflops() const { return work.productFlops / seconds / 1e12; }
  /// Shares of what the machine does at best.
  double ofRead() const { return gbPerS() / readGbPerS; }
  double ofMultiply() const;
};

class StepBench {
public:
  /// Fills the model's KV cache with made-up values: no prompt is computed to have context. Token
  /// ids are drawn. Both must outlive it. A model of experts must count those that are hit
  /// (LoadOptions::countExperts).
  StepBench(LoadedModel &model, MachinePeak &peak);

  /// Throws Error if the limits do not allow the test.
  void warmUp(const BenchTest &test);
  BenchRun run(const BenchTest &test);

  /// One step of the test: the first of a prompt, one in the middle of a decode. Valid until the
  /// next call of anything.
  struct Step {
    EntryKind kind = EntryKind::Decode;
    StepInputs inputs;
    StepRecord record;
  };
  Step typicalStep(const BenchTest &test);

  /// Of weights as this model holds them (bfloat16 in some 12 bits), and of keys and values.
  double bytesRead(const StepWork &work) const {
    return work.weightBytes - (1 - bfloat16Share_) * work.bfloat16Bytes + work.kvBytes;
  }

  LoadedModel &model() { return model_; }
  MachinePeak &peak() { return peak_; }
  /// Type of the activations, which floating-point products are of.
  DType floatType() const { return floatType_; }
  /// Some products are of int8 by int8.
  bool hasInt8() const { return hasInt8_; }

private:
  /// Step number `step`, whose size is decided by the limits.
  Step prepare(const BenchTest &test, uint32_t step);
  uint32_t stepsOf(const BenchTest &test) const;

  LoadedModel &model_;
  MachinePeak &peak_;
  DType floatType_;
  bool hasInt8_ = false;
  double bfloat16Share_ = 1; ///< of their bytes that are read
  StepBatch batch_;
  std::vector<int32_t> ids_, blocks_;
  std::vector<StepRecord> records_;
  std::vector<uint32_t> hits_;
};

} // namespace vinci
