#include "runtime/serving/engine.h"

#include "runtime/serving/kv_blocks.h"
#include "runtime/serving/step_batch.h"
#include "runtime/support/error.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

namespace vinci {

const char *toString(FinishReason reason) {
  return reason == FinishReason::Stop ? "stop" : "length";
}

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// A request on its way.
struct Sequence {
  Request request;
  size_t order = 0;         ///< of submission
  std::vector<int32_t> ids; ///< prompt and generated
  uint32_t maxIds = 0;      ///< what ids may grow to
  uint32_t cached = 0;      ///< ids whose keys and values are in the cache
  uint32_t stepTokens = 0;  ///< ids that are computed in this step
  uint32_t group = 0;       ///< whose cache has its blocks
  std::vector<int32_t> blocks;
  Clock::time_point admitted, firstToken;
  Result result;

  uint32_t promptSize() const { return uint32_t(request.promptIds.size()); }
  uint32_t uncached() const { return uint32_t(ids.size()) - cached; }
  bool generating() const { return ids.size() > promptSize(); }
  /// This step computes the last known id, so that the next one can be chosen.
  bool reachesEnd() const { return stepTokens == uncached(); }
  /// Ids that will have to be in the cache; the last one to be generated is not.
  uint32_t cachedAtMost() const { return std::max(promptSize(), maxIds - (maxIds > promptSize())); }
};

/// A data-parallel group: what its sequences share.
struct Group {
  explicit Group(const ModelLimits &limits) : blocks(limits.kvBlocks), batch(limits) {}

  KvBlocks blocks;
  StepBatch batch;
  uint32_t running = 0;
  std::vector<Sequence *> step; ///< those with tokens in this step, in the order of their rows
};

} // namespace

class Engine::Impl {
public:
  Impl(StepRunner &model, const EngineOptions &options);

  void submit(Request request);
  std::vector<Result> run();
  /// Forgets all requests.
  void drop();
  const GraphUse &graphUse() const { return graphUse_; }

private:
  void admit();
  Group *roomFor(Sequence &sequence);
  void step();
  EntryKind planStep();
  void padToGraph(EntryKind kind);
  void takeLogits(EntryKind kind, const Group &group, std::span<const float> logits);
  void generate(Sequence &sequence, std::span<const float> logits);
  void finish(Sequence &sequence, FinishReason reason);

  StepRunner &model_;
  const ModelLimits limits_;
  const uint32_t prefillChunk_;
  const std::function<void(const std::string &)> warning_;
  GraphUse graphUse_;
  Sampler sampler_;
  std::vector<Group> groups_;
  std::vector<StepInputs> inputs_; ///< of each group
  std::deque<Sequence> waiting_;
  std::vector<Sequence> running_; ///< in order of admission
  std::vector<Result> results_;   ///< by order of submission
  size_t submitted_ = 0;
  uint64_t steps_ = 0; ///< that were run
};

Engine::Impl::Impl(StepRunner &model, const EngineOptions &options)
    : model_(model), limits_(model.limits()),
      prefillChunk_(options.prefillChunk ? options.prefillChunk : limits_.maxTokensPerStep),
      warning_(options.warning), sampler_(limits_.vocabSize),
      groups_(limits_.dataGroups, Group(limits_)) {
  if (prefillChunk_ > limits_.maxTokensPerStep)
    fail("a prefill chunk of {} tokens; legal: 1 to {} (max_tokens_per_step)", prefillChunk_,
         limits_.maxTokensPerStep);
}

void Engine::Impl::submit(Request request) {
  const std::vector<int32_t> &prompt = request.promptIds;
  if (prompt.empty() || prompt.size() > limits_.maxSeqLen)
    fail("the prompt has {} tokens; legal: 1 to {} (max_seq_len)", prompt.size(),
         limits_.maxSeqLen);
  for (size_t i = 0; i < prompt.size(); ++i)
    if (prompt[i] < 0 || uint32_t(prompt[i]) >= limits_.vocabSize)
      fail("prompt_ids[{}] is {}; legal: 0 to {} (vocab_size - 1)", i, prompt[i],
           limits_.vocabSize - 1);
  request.sampling.check();

  Sequence sequence;
  sequence.ids = prompt;
  sequence.maxIds =
      uint32_t(std::min<uint64_t>(uint64_t(prompt.size()) + request.maxTokens, limits_.maxSeqLen));
  sequence.request = std::move(request);
  if (uint32_t needed = limits_.blocksFor(sequence.cachedAtMost()); needed > limits_.kvBlocks)
    fail("prompt and output of up to {} tokens need {} KV blocks of {} tokens; the plan has {} "
         "(kv_blocks)",
         sequence.maxIds, needed, limits_.blockSize, limits_.kvBlocks);
  sequence.order = submitted_++;
  sequence.result.id = sequence.request.id;
  waiting_.push_back(std::move(sequence));
}

void Engine::Impl::drop() {
  groups_.assign(limits_.dataGroups, Group(limits_));
  running_.clear();
  waiting_.clear();
  results_.clear();
  submitted_ = 0;
}

std::vector<Result> Engine::Impl::run() {
  results_.resize(submitted_);
  while (!waiting_.empty() || !running_.empty()) {
    admit();
    if (running_.empty())
      continue; // whoever was admitted had nothing to compute
    step();
  }
  submitted_ = 0;
  return std::exchange(results_, {});
}

/// Of the groups that have a place and blocks for one more, the one with the fewest sequences. The
/// blocks are the sequence's then. Null if there is none.
Group *Engine::Impl::roomFor(Sequence &sequence) {
  // Every sequence that generates takes part in every step.
  const uint32_t most = std::min(limits_.maxBatch, limits_.maxTokensPerStep);
  const uint32_t needed = limits_.blocksFor(sequence.cachedAtMost());
  Group *best = nullptr;
  for (Group &group : groups_)
    if (group.running < most && group.blocks.available() >= needed &&
        (!best || group.running < best->running))
      best = &group;
  if (best)
    best->blocks.allocate(needed, sequence.blocks);
  return best;
}

/// Strictly in order: a large request at the head is not overtaken for ever by small ones.
void Engine::Impl::admit() {
  while (!waiting_.empty()) {
    Sequence &next = waiting_.front();
    Group *group = roomFor(next);
    if (!group)
      break;
    next.group = uint32_t(group - groups_.data());
    ++group->running;
    next.admitted = Clock::now();
    next.result.steps.admitted = steps_;
    bool nothingToCompute = next.maxIds == next.promptSize() && !next.request.onLogits;
    next.ids.reserve(next.maxIds);
    running_.push_back(std::move(next));
    waiting_.pop_front();
    if (nothingToCompute) {
      finish(running_.back(), FinishReason::Length);
      running_.pop_back();
    }
  }
}

void Engine::Impl::step() {
  const EntryKind kind = planStep();
  padToGraph(kind);
  inputs_.clear();
  for (const Group &group : groups_)
    inputs_.push_back(group.batch.inputs(kind));
  const std::span<const std::span<const float>> logits = model_.stepGroups(kind, inputs_);
  ++steps_;
  for (size_t i = 0; i < groups_.size(); ++i)
    takeLogits(kind, groups_[i], logits[i]);
  std::erase_if(running_, [](const Sequence &sequence) { return sequence.blocks.empty(); });
}

/// Fills the batches: first those that generate, a token each, then prompts in order, as far as
/// there is room.
EntryKind Engine::Impl::planStep() {
  for (Group &group : groups_) {
    group.batch.clear();
    group.step.clear();
  }
  // A step that gives the logits of every token has no more tokens than rows of them.
  const bool wantsAll =
      std::ranges::any_of(running_, [](const Sequence &s) { return bool(s.request.onLogits); });
  const uint32_t most =
      wantsAll ? std::min(limits_.maxTokensPerStep, limits_.logitRows()) : limits_.maxTokensPerStep;
  bool allLogits = false, oneEach = true;
  for (bool generating : {true, false})
    for (Sequence &sequence : running_) {
      if (sequence.generating() != generating)
        continue;
      Group &group = groups_[sequence.group];
      sequence.stepTokens =
          std::min({sequence.uncached(), prefillChunk_, most - group.batch.tokens()});
      if (sequence.stepTokens == 0)
        continue;
      group.step.push_back(&sequence);
      group.batch.add(sequence.ids, sequence.cached, sequence.stepTokens, sequence.blocks,
                      sequence.reachesEnd());
      bool onlyLast = sequence.stepTokens == 1 && sequence.reachesEnd();
      oneEach &= onlyLast;
      allLogits |= sequence.request.onLogits && !onlyLast;
    }
  return allLogits ? EntryKind::Score : oneEach ? EntryKind::Decode : EntryKind::Prefill;
}

/// Rows of the padding come last, and nobody looks at their logits. The group with the most tokens
/// is padded, and with it the others are.
void Engine::Impl::padToGraph(EntryKind kind) {
  const GraphCapture &graphs = model_.graphs();
  if (captureOf(graphs.mode, kind) == CaptureForm::None)
    return;
  const bool decodes = kind == EntryKind::Decode;
  StepBatch &batch = std::ranges::max_element(groups_, {}, [](const Group &group) {
                       return group.batch.tokens();
                     })->batch;
  const uint32_t tokens = batch.tokens();
  const auto size = graphs.sizeFor(tokens, decodes ? limits_.maxBatch : limits_.maxTokensPerStep);
  if (size && batch.pad(*size, decodes)) {
    ++graphUse_.replayed;
    graphUse_.paddedTokens += *size - tokens;
    return;
  }
  ++(decodes ? graphUse_.eagerDecodes : graphUse_.eagerPrefills);
  if (decodes && graphUse_.eagerDecodes == 1 && warning_)
    warning_(fmt::format("a decode of {} sequences is larger than the largest captured graph, {}: "
                         "such steps are launched kernel by kernel; a larger --graph-batch-sizes "
                         "captures them",
                         tokens, graphs.sizes.back()));
}

void Engine::Impl::takeLogits(EntryKind kind, const Group &group, std::span<const float> logits) {
  size_t nextRow = 0;
  for (Sequence *sequence : group.step) {
    uint32_t first = sequence->cached;
    sequence->cached += sequence->stepTokens;
    bool atEnd = sequence->uncached() == 0;
    size_t rows = kind == EntryKind::Prefill ? size_t(atEnd) : sequence->stepTokens;
    std::span<const float> own =
        logits.subspan(nextRow * limits_.vocabSize, rows * limits_.vocabSize);
    nextRow += rows;
    // An onLogits request never takes part in a prefill step with more than its last token.
    if (sequence->request.onLogits)
      for (size_t i = 0; i < rows && first + i + 1 < sequence->maxIds; ++i)
        sequence->request.onLogits(uint32_t(first + i),
                                   own.subspan(i * limits_.vocabSize, limits_.vocabSize));
    if (!atEnd)
      continue;
    if (sequence->ids.size() < sequence->maxIds)
      generate(*sequence, own.last(limits_.vocabSize));
    else
      finish(*sequence, FinishReason::Length);
  }
}

void Engine::Impl::generate(Sequence &sequence, std::span<const float> logits) {
  int32_t id =
      sampler_.sample(logits, sequence.request.sampling, sequence.ids, sequence.ids.size());
  if (!sequence.generating()) {
    sequence.firstToken = Clock::now();
    sequence.result.steps.firstToken = steps_;
  }
  sequence.ids.push_back(id);
  if (sequence.request.onToken)
    sequence.request.onToken(id);
  const std::vector<int32_t> &eos = sequence.request.eosIds;
  if (!sequence.request.ignoreEos && std::ranges::find(eos, id) != eos.end())
    finish(sequence, FinishReason::Stop);
  else if (sequence.ids.size() == sequence.maxIds)
    finish(sequence, FinishReason::Length);
}

void Engine::Impl::finish(Sequence &sequence, FinishReason reason) {
  Clock::time_point now = Clock::now();
  Result &result = sequence.result;
  result.finishReason = reason;
  result.steps.finished = steps_;
  if (!sequence.generating())
    result.steps.firstToken = steps_;
  result.outputIds.assign(sequence.ids.begin() + sequence.promptSize(), sequence.ids.end());
  if (sequence.generating()) {
    result.timing.prefillMs = milliseconds(sequence.firstToken - sequence.admitted);
    result.timing.decodeMs = milliseconds(now - sequence.firstToken);
    if (result.outputIds.size() > 1)
      result.timing.tokensPerS =
          double(result.outputIds.size() - 1) / (result.timing.decodeMs / 1000);
  } else {
    result.timing.prefillMs = milliseconds(now - sequence.admitted);
  }
  Group &group = groups_[sequence.group];
  group.blocks.free(sequence.blocks);
  --group.running;
  sequence.blocks.clear();
  results_[sequence.order] = std::move(result);
}

Engine::Engine(StepRunner &model, const EngineOptions &options)
    : impl_(std::make_unique<Impl>(model, options)) {}

Engine::~Engine() = default;

void Engine::submit(Request request) {
  impl_->submit(std::move(request));
}

const GraphUse &Engine::graphUse() const {
  return impl_->graphUse();
}

std::vector<Result> Engine::run() {
  try {
    return impl_->run();
  } catch (...) {
    impl_->drop();
    throw;
  }
}

} // namespace vinci
