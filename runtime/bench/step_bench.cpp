#include "runtime/bench/step_bench.h"

#include "runtime/plan/mesh.h"
#include "runtime/support/error.h"
#include "runtime/support/philox.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <numeric>

namespace vinci {

BenchTest BenchTest::prompt(uint32_t tokens) {
  return {Kind::Prompt, tokens, 1, 0, fmt::format("pp{}", tokens)};
}

BenchTest BenchTest::decode(uint32_t tokens) {
  return {Kind::Decode, tokens, 1, 0, fmt::format("tg{}", tokens)};
}

BenchTest BenchTest::atDepth(uint32_t tokens, uint32_t depth) {
  return {Kind::Decode, tokens, 1, depth, fmt::format("tg{}@d{}", tokens, depth)};
}

BenchTest BenchTest::batched(uint32_t tokens, uint32_t batch) {
  return {Kind::Decode, tokens, batch, tokens, fmt::format("tg{}@b{}", tokens, batch)};
}

std::string misfit(const BenchTest &test, const ModelLimits &limits) {
  const auto more = [](std::string_view name, uint32_t needed, uint32_t there) {
    return fmt::format("it needs {} {}, and there are {}", name, needed, there);
  };
  if (test.maxSeqLen() > limits.maxSeqLen)
    return more("max_seq_len", test.maxSeqLen(), limits.maxSeqLen);
  if (test.batch > limits.maxBatch)
    return more("max_batch", test.batch, limits.maxBatch);
  if (test.batch > limits.maxTokensPerStep)
    return more("max_tokens_per_step", test.batch, limits.maxTokensPerStep);
  if (const uint32_t blocks = test.kvBlocks(limits.blockSize); blocks > limits.kvBlocks)
    return more("kv_blocks", blocks, limits.kvBlocks);
  return "";
}

double BenchRun::ofMultiply() const {
  // Each type of product at its own best speed.
  double least = (work.productFlops - work.int8Flops) / (multiplyTflops * 1e12);
  if (work.int8Flops > 0)
    least += work.int8Flops / (int8Tops * 1e12);
  return least / seconds;
}

StepBench::StepBench(LoadedModel &model, MachinePeak &peak)
    : model_(model), peak_(peak), floatType_(toDType(model.plan().root()->model()->dtype())),
      batch_(model.limits()) {
  for (const fb::Kernel *kernel : *model.plan().root()->kernels())
    if (const fb::Cost *cost = kernel->cost())
      hasInt8_ |= cost->weights() == fb::DType::Int8 && cost->activations() == fb::DType::Int8;
  bfloat16Share_ = model.bfloat16ReadShare();
  model.fillCache(/*seed=*/1);
  const ModelLimits &limits = model.limits();
  ids_.resize(size_t(limits.maxSeqLen) + limits.maxBatch);
  for (size_t i = 0; i < ids_.size(); ++i)
    ids_[i] = int32_t(uniformAt(1, i, RandomStream::PromptIds) * limits.vocabSize);
}

uint32_t StepBench::stepsOf(const BenchTest &test) const {
  const uint32_t most = model_.limits().maxTokensPerStep;
  return test.kind == BenchTest::Kind::Prompt ? (test.tokens + most - 1) / most : test.tokens;
}

StepBench::Step StepBench::prepare(const BenchTest &test, uint32_t step) {
  const ModelLimits &limits = model_.limits();
  const uint32_t blocksEach = limits.blocksFor(test.maxSeqLen());
  blocks_.resize(size_t(test.batch) * blocksEach);
  std::iota(blocks_.begin(), blocks_.end(), 0);
  batch_.clear();
  Step prepared;
  if (test.kind == BenchTest::Kind::Prompt) {
    const uint32_t first = step * limits.maxTokensPerStep;
    const uint32_t count = std::min(limits.maxTokensPerStep, test.tokens - first);
    const bool isLast = first + count == test.tokens;
    batch_.add(ids_, first, count, blocks_, /*wantLast=*/isLast);
    prepared.kind = EntryKind::Prefill;
    prepared.record.addSequence(count, first);
    prepared.record.logitRows = isLast ? 1 : 0;
  } else {
    for (uint32_t sequence = 0; sequence < test.batch; ++sequence) {
      // Each begins at another place of one list of ids: experts see different tokens.
      const uint32_t position = test.depth + step;
      batch_.add(std::span(ids_).subspan(sequence), position, 1,
                 std::span(blocks_).subspan(size_t(sequence) * blocksEach, blocksEach), true);
      prepared.record.addSequence(1, position);
    }
  }
  prepared.inputs = batch_.inputs(prepared.kind);
  return prepared;
}

StepBench::Step StepBench::typicalStep(const BenchTest &test) {
  return prepare(test, test.kind == BenchTest::Kind::Prompt ? 0 : stepsOf(test) / 2);
}

void StepBench::warmUp(const BenchTest &test) {
  if (const std::string problem = misfit(test, model_.limits()); !problem.empty())
    fail("{} cannot run: {}", test.name, problem);
  for (uint32_t step = 0; step < std::min(stepsOf(test), 4u); ++step) {
    const Step prepared = prepare(test, step);
    model_.step(prepared.kind, prepared.inputs);
  }
}

BenchRun StepBench::run(const BenchTest &test) {
  BenchRun run;
  const auto sample = [&] {
    run.readGbPerS = std::max(run.readGbPerS, peak_.readGbPerS());
    run.multiplyTflops = std::max(run.multiplyTflops, peak_.multiplyTflops(floatType_));
    if (hasInt8_)
      run.int8Tops = std::max(run.int8Tops, peak_.multiplyTflops(DType::Int8));
  };
  sample();
  // The threads of the samples are gone: those of the model must not be asleep when time begins.
  warmUp(test);
  const uint32_t steps = stepsOf(test);
  records_.clear();
  hits_.clear();
  EntryKind kind = EntryKind::Decode;
  const auto start = std::chrono::steady_clock::now();
  for (uint32_t step = 0; step < steps; ++step) {
    const Step prepared = prepare(test, step);
    model_.step(prepared.kind, prepared.inputs);
    kind = prepared.kind;
    records_.push_back(prepared.record);
    const std::span<const uint32_t> hit = model_.expertsHit();
    hits_.insert(hits_.end(), hit.begin(), hit.end());
  }
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  sample();

  const size_t layers = hits_.size() / steps;
  for (uint32_t step = 0; step < steps; ++step) {
    records_[step].expertsHit = std::span(hits_).subspan(step * layers, layers);
    run.work += workOf(model_.plan(), kind, records_[step]);
  }
  // All ranks of this machine share it; groups have tokens of their own.
  const double ranks = model_.ranks();
  for (double StepWork::*part : {&StepWork::flops, &StepWork::hbmBytes, &StepWork::collectiveBytes,
                                 &StepWork::weightBytes, &StepWork::bfloat16Bytes,
                                 &StepWork::kvBytes, &StepWork::productFlops, &StepWork::int8Flops})
    run.work.*part *= ranks;
  run.bytesRead = bytesRead(run.work);
  run.tokens = double(test.tokens) * test.batch * model_.limits().dataGroups;
  return run;
}

} // namespace vinci
